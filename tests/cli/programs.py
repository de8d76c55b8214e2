#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-only
"""What programs read of wnbd-client: JSON, and Prometheus' text format. Takes run.py's --client and --fake.

Every key and every metric is in docs/statistics.md, and nothing else is.
"""
import contextlib
import json
import os
import pathlib
import re
import tempfile
import unittest

import prometheus
import run

DOCUMENT = pathlib.Path(__file__).resolve().parents[2] / "docs" / "statistics.md"
BUCKETS = 28
OPERATIONS = ["Read", "Write", "Flush", "Unmap", "Other"]
HARD = "größe-日本 \"\\ \U0001F4BE"
HARD_SCRIPT = HARD.replace("\\", "\\x5c")
COUNTED = ("WnbdGetDriverStatsEx  0  ConnectionId=7  Timestamp=50000000  LastReceivedReqTimestamp=20000000  "
           "TotalReceivedIORequests=403  TotalSubmittedIORequests=402  TotalReceivedIOReplies=401  "
           "UnsubmittedIORequests=1  PendingSubmittedIORequests=2  AbortedSubmittedIORequests=3  "
           "AbortedUnsubmittedIORequests=4  CompletedAbortedIORequests=5  OutstandingIOCount=6  "
           "Read=300,2,1,5242880,250000001,3:200,5:98,9:2  Write=10,0,0,18446744073709551615,9,27:10  Unmap=0,0,3,0,0")


def keys_of(value):
    """All names in a JSON value."""
    if isinstance(value, dict):
        return set(value).union(*map(keys_of, value.values()))
    return set().union(*map(keys_of, value)) if isinstance(value, list) else set()


def latencies(counts):
    return [counts.get(bucket, 0) for bucket in range(BUCKETS)]


class Statistics(unittest.TestCase):
    runner = None
    document = DOCUMENT.read_text(encoding="utf-8")
    seen_keys = set()

    def client(self, arguments, library, status=0, stderr="", registry=()):
        """Standard output, as bytes."""
        case = run.Case(arguments)
        case.arguments = arguments
        case.sections["library"] = library
        case.sections["registry"] = list(registry)
        target = os.path.join(self.runner.directory, "stdout")
        case.sections["environment"] = [f"CLI_TEST_STDOUT={target}"]
        actual, _, errors, _ = self.runner.run(case)
        self.assertEqual((actual, errors), (status, stderr))
        with open(target, "rb") as file:
            return file.read()

    def json(self, arguments, library, **options):
        """The lines of output, each as a value, with numbers as they were written."""
        data = self.client(arguments, library, **options)
        self.assertTrue(data.endswith(b"\r\n"))
        values = [json.loads(line) for line in data.decode("utf-8").splitlines()]
        Statistics.seen_keys |= keys_of(values)
        return values

    def test_list(self):
        disks = [f"disk  InstanceName={HARD_SCRIPT}  Pid=3508  DiskNumber=1  UseKernelNbd=1  Owner=wnbd-client",
                 r"disk  InstanceName=a\x1b[31m\x0ab\xc2\x85\xff\xe2\x80\xae  Pid=-1  Owner="]
        data = self.client("list --json", disks)
        self.assertFalse(re.search(rb"[\x00-\x1f\x7f]", data.removesuffix(b"\r\n")))
        self.assertIn(rb"a\u001b[31m\u000ab\u0085\ufffd\u202e", data)
        [value] = self.json("ls --json", disks)
        self.assertEqual(value, {"Disks": [
            {"InstanceName": HARD, "Pid": 3508, "DiskNumber": 1, "Nbd": True, "Owner": "wnbd-client"},
            {"InstanceName": "a\x1b[31m\nb\x85\ufffd\u202e", "Pid": -1, "DiskNumber": None, "Nbd": False,
             "Owner": ""}]})
        self.assertEqual(self.json("list --json", []), [{"Disks": []}])

    def test_list_of_what_is_remembered(self):
        server = {"Hostname": "nbd.example.org", "PortNumber": 10809, "ExportName": "x", "ReadOnly": False,
                  "SkipNegotiation": False, "BlockSize": 0, "BlockCount": 0}
        registry = ["a%5Cb%25\"  Hostname  REG_SZ  nbd.example.org", "a%5Cb%25\"  ExportName  REG_SZ  x"]
        self.assertEqual(self.json("list --persistent --json", [], registry=registry),
                         [{"Mappings": [{"InstanceName": 'a\\b%"', **server}]}])
        self.assertEqual(self.json("list --persistent --json", []), [{"Mappings": []}])

    def test_show(self):
        disk = (f"disk  InstanceName={HARD_SCRIPT}  SerialNumber=serial  Owner=o  ReadOnly=1  FUASupported=1  "
                "UseKernelNbd=1  BlockCount=18446744073709551615  BlockSize=4096  MaxUnmapDescCount=1  Pid=7  "
                "DiskNumber=3  PNPDeviceID=SCSI\\DISK&Ü  BusNumber=1  TargetId=2  Lun=4  Hostname=host  PortNumber=1  "
                "ExportName=e/x")
        [value] = self.json("show foo --json", [disk])
        self.assertEqual(value, {
            "InstanceName": HARD, "SerialNumber": "serial", "Owner": "o", "ReadOnly": True, "FlushSupported": False,
            "FUASupported": True, "UnmapSupported": False, "UnmapAnchorSupported": False, "UseUserspaceNbd": False,
            "BlockCount": 9223372036854775807, "BlockSize": 4096, "MaxUnmapDescCount": 1, "Pid": 7, "DiskNumber": 3,
            "PNPDeviceID": "SCSI\\DISK&Ü", "BusNumber": 1, "TargetId": 2, "Lun": 4, "MaxIOReqPerLun": None,
            "MaxIOReqPerAdapter": None,
            "NbdProperties": {"Hostname": "host", "PortNumber": 1, "ExportName": "e/x", "SkipNegotiation": False}})
        self.assertNotIn("NbdProperties", self.json("show foo --json", ["disk  InstanceName=foo"])[0])

    def test_stats(self):
        [value] = self.json("stats 'f\"oo' --json", [COUNTED])
        operations = value.pop("Operations")
        self.assertEqual(value, {
            "InstanceName": "f\"oo", "ConnectionId": 7, "TotalReceivedIORequests": 403,
            "TotalSubmittedIORequests": 402, "TotalReceivedIOReplies": 401, "UnsubmittedIORequests": 1,
            "PendingSubmittedIORequests": 2, "AbortedSubmittedIORequests": 3, "AbortedUnsubmittedIORequests": 4,
            "CompletedAbortedIORequests": 5, "OutstandingIOCount": 6, "TimeSinceLastReceivedReqMs": 3000,
            "TimeSinceLastSubmittedReqMs": None, "TimeSinceLastReplyMs": None})
        self.assertEqual(list(operations), OPERATIONS)
        self.assertEqual(operations["Read"], {
            "Completed": 300, "Failed": 2, "Aborted": 1, "Bytes": 5242880, "LatencyTotalSeconds": 25.0000001,
            "P50Us": 8, "P99Us": 32, "Latencies": latencies({3: 200, 5: 98, 9: 2})})
        self.assertEqual(operations["Write"]["Bytes"], 2 ** 64 - 1)
        self.assertEqual((operations["Write"]["P50Us"], operations["Write"]["Latencies"]), (None, latencies({27: 10})))
        self.assertEqual((operations["Flush"]["P50Us"], operations["Flush"]["LatencyTotalSeconds"]), (None, 0))

    def test_watch(self):
        gone = ("wnbd-client: cannot go on watching foo: the disk is gone (was it unmapped, or did its server go "
                "away?)\n")
        first = "WnbdGetDriverStatsEx  0  ConnectionId=7  Timestamp=30000000  Read=100,0,0,1048576,5000,3:100"
        value, idle = self.json("stats foo --json --watch 1",
                                [first, COUNTED, COUNTED.replace("=50000000", "=60000000"), "WnbdGetDriverStatsEx  2"],
                                status=2, stderr=gone)
        self.assertEqual(value["Interval"]["Seconds"], 2)
        self.assertEqual(value["Operations"]["Read"]["Completed"], 300)
        rates = value["Interval"]["Operations"]
        self.assertEqual(list(rates), OPERATIONS)
        self.assertEqual(rates["Read"], {"RequestsPerSecond": 100, "BytesPerSecond": 2097152, "Failed": 2,
                                         "Aborted": 1, "P50Us": 8, "P99Us": 32})
        self.assertEqual(rates["Unmap"]["Aborted"], 3)
        self.assertEqual(idle["Interval"]["Operations"]["Read"],
                         {"RequestsPerSecond": 0, "BytesPerSecond": 0, "Failed": 0, "Aborted": 0, "P50Us": None,
                          "P99Us": None})

    def metrics(self, library, arguments="metrics"):
        return prometheus.read(self.client(arguments, library))

    def test_metrics(self):
        disks = [f"disk  InstanceName={HARD_SCRIPT}  DiskNumber=3  Owner=o\\x22\\xff  BlockCount=2048  BlockSize=512",
                 "disk  InstanceName=gone", r"disk  InstanceName=a\x0ab", COUNTED, "WnbdGetDriverStatsEx  2",
                 "WnbdGetDriverStatsEx  0  Read=1,0,0,0,10,0:1"]
        found = self.metrics(disks)
        self.assertEqual(found["wnbd_disks"].value(), 2)
        self.assertEqual(found["wnbd_disk_info"].value(disk=HARD, number="3", owner="o\"\ufffd"), 1)
        self.assertEqual(found["wnbd_disk_size_bytes"].value(disk=HARD), 1024 * 1024)
        for name, value in (("requests_received_total", 403), ("requests_submitted_total", 402),
                            ("replies_received_total", 401), ("submitted_aborted_total", 3),
                            ("unsubmitted_aborted_total", 4), ("aborted_answered_total", 5),
                            ("requests_unsubmitted", 1), ("requests_pending", 2), ("requests_outstanding", 6)):
            self.assertEqual(found[f"wnbd_disk_{name}"].value(disk=HARD), value, name)
        for name, value in (("bytes", 5242880), ("failed", 2), ("aborted", 1)):
            self.assertEqual(found[f"wnbd_disk_operation_{name}_total"].value(disk=HARD, operation="read"), value)
        self.assertEqual(found["wnbd_disk_operation_aborted_total"].value(disk=HARD, operation="unmap"), 3)
        self.check_histograms(found["wnbd_disk_operation_duration_seconds"])
        self.assertEqual(set(found), set(re.findall(r"(?m)^\| `(wnbd_\w+)` \|", self.document)))
        self.assertEqual({"wnbd_disks": 0}, {name: family.value() for name, family in self.metrics([]).items()
                                             if family.samples})

    def check_histograms(self, family):
        histograms = family.histograms()
        self.assertEqual(len(histograms), 2 * len(OPERATIONS))
        buckets, total, count = histograms[(("disk", HARD), ("operation", "read"))]
        self.assertEqual((total, count), (25.0000001, 300))
        self.assertEqual([bound for bound, _ in buckets], [2 ** bucket / 1e6 for bucket in range(BUCKETS - 1)] +
                         [float("inf")])
        self.assertEqual([number for _, number in buckets], [0] * 3 + [200] * 2 + [298] * 4 + [300] * 19)
        self.assertEqual(histograms[(("disk", HARD), ("operation", "write"))][0][-2:],
                         [(2 ** 26 / 1e6, 0), (float("inf"), 10)])
        self.assertEqual(histograms[(("disk", "a\nb"), ("operation", "read"))][0][0], (1e-6, 1))

    def test_metrics_in_a_file(self):
        library = ["disk  InstanceName=foo", COUNTED]
        with tempfile.TemporaryDirectory(dir=self.runner.directory) as folder:
            path = pathlib.Path(folder) / "größe.prom"
            for content in (None, b"old"):
                if content:
                    path.write_bytes(content)
                with open(path, "rb") if content else contextlib.nullcontext() as reader:
                    self.assertEqual(self.client(f"metrics --output '{run.windows_path(str(path))}'", library), b"")
                    # Who has begun to read the old file goes on with it.
                    self.assertEqual(reader and reader.read(), content)
                self.assertEqual(path.read_bytes(), self.client("metrics", library))
                self.assertEqual([entry.name for entry in pathlib.Path(folder).iterdir()], ["größe.prom"])
            # What can't be replaced stays as it is, and nothing is left beside it.
            path.unlink()
            path.mkdir()
            case = run.Case("folder")
            case.arguments = f"metrics --output '{run.windows_path(str(path))}'"
            case.sections["library"] = library
            self.assertNotEqual(self.runner.run(case)[0], 0)
            self.assertEqual([entry.name for entry in pathlib.Path(folder).iterdir()], ["größe.prom"])

    def test_z_every_key_is_documented(self):
        """Last: the others have collected what there is."""
        documented = set(re.findall(r"(?m)^\| `([A-Z]\w+)` \|", self.document))
        self.assertEqual(self.seen_keys - set(OPERATIONS), documented)


class Reader(unittest.TestCase):
    """The reader of the format refuses what it must."""

    def test_refuses(self):
        good = b"# HELP a_total x\n# TYPE a_total counter\na_total{b=\"c\"} 1\n"
        prometheus.read(good)
        for old, new in ((b"\n", b"\r\n"), (b" 1\n", b" 1"), (b"TYPE a_total counter", b"TYPE a_total gauge"),
                         (b"\"c\"", b"\"c\"\""), (b"\"c\"", b"\"\\q\""), (b"} 1", b"} x"), (b"a_total{", b"b_total{"),
                         (b" 1\n", b" 1\na_total{b=\"c\"} 2\n"), (b"b=\"c\"", b"b=\"c\","), (b"# TYPE a", b"# a")):
            with self.assertRaises(prometheus.Wrong, msg=(old, new)):
                prometheus.read(good.replace(old, new))
        histogram = (b"# HELP h x\n# TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_bucket{le=\"+Inf\"} 2\nh_sum 3\n"
                     b"h_count 2\n")
        prometheus.read(histogram)
        for old, new in ((b"1\"} 1", b"1\"} 3"), (b"h_count 2", b"h_count 3"), (b"+Inf", b"2"), (b"{le=\"1\"}", b"")):
            with self.assertRaises(prometheus.Wrong, msg=(old, new)):
                prometheus.read(histogram.replace(old, new))


def main():
    options = run.parse_options()
    with tempfile.TemporaryDirectory(prefix="wnbd-cli-") as directory:
        Statistics.runner = run.Runner(options, directory)
        unittest.main(argv=["programs.py"], verbosity=2)


if __name__ == "__main__":
    main()
