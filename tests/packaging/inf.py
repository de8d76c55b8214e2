# SPDX-License-Identifier: LGPL-2.1-only
"""Reads an INF file and says what Windows (InfVerif's rules, the pages named below) would not like about it."""
import pathlib
import re
import xml.etree.ElementTree as xml

# "Using a Universal INF File", "Driver package isolation": what such a package may not use.
FORBIDDEN_DIRECTIVES = {
    "bitreg", "coinstallers", "delfiles", "delproperty", "delreg", "delservice", "ini2reg", "logconfig", "profileitems",
    "registerdlls", "renfiles", "runpostsetupcommands", "runpresetupcommands", "unregisterdlls", "updateinifields",
    "updateinis"}
FORBIDDEN_SECTIONS = {"classinstall32", "controlflags"}
SECTIONS_WITH_A_MEANING = {
    "version", "sourcedisksnames", "sourcedisksfiles", "destinationdirs", "manufacturer", "strings"}
MANIFEST = pathlib.Path(__file__).resolve().parents[2] / "packaging" / "wnbd.man"
DECORATION = "NTamd64.10.0...17763"
ADMINISTRATORS_ONLY = '"D:P(A;;GA;;;SY)(A;;GA;;;BA)"'


def split(text):
    """Comma-separated fields; commas inside quotes don't count."""
    return [field.strip() for field in re.findall(r'(?:"[^"]*"|[^,"])+|(?<=,)(?=,)', text)]


class Inf:
    def __init__(self, text):
        self.text = text
        self.sections = {}
        section = None
        for line in text.splitlines():
            line = re.sub(r'^((?:[^";]|"[^"]*")*);.*$', r"\1", line).strip()
            if not line:
                continue
            if line.startswith("["):
                section = self.sections.setdefault(line.strip("[]").lower(), [])
                continue
            key, equals, value = line.partition("=")
            # An equals sign inside a registry line's quotes is not an assignment.
            section.append((key.strip(), value.strip()) if equals and '"' not in key else (None, line))

    def lines(self, section):
        return self.sections.get(section.lower(), [])

    def value(self, section, key):
        """The one value of a key, or None."""
        found = [value for name, value in self.lines(section) if name and name.lower() == key.lower()]
        return found[0] if len(found) == 1 else None

    def registry(self, section):
        """The AddReg lines of a section: {(root, subkey, name): (flags, value)}."""
        found = {}
        for key, line in self.lines(section):
            field = split(line) if key is None else []
            if len(field) == 5:
                found[(field[0].upper(), field[1].lower(), field[2].lower())] = (field[3], field[4])
            elif field:
                found[tuple(field)] = (None, None)
        return found


def version_problems(inf, date):
    expected = {
        "Signature": '"$Windows NT$"', "Class": "SCSIAdapter", "ClassGuid": "{4d36e97b-e325-11ce-bfc1-08002be10318}",
        "CatalogFile": "wnbd.cat", "PnpLockdown": "1", "Provider": "%Provider%"}
    for key, wanted in expected.items():
        if inf.value("Version", key) != wanted:
            yield f"Version: {key} is {inf.value('Version', key)!r}, not {wanted!r}"
    text = inf.value("Version", "DriverVer") or ""
    match = re.fullmatch(r"(\d\d)/(\d\d)/(\d{4}),(\d+)\.(\d+)\.(\d+)\.(\d+)", text)
    if not match:
        yield f"DriverVer {text!r} is not mm/dd/yyyy,w.x.y.z (INF DriverVer directive)"
        return
    month, day, year = match.group(1, 2, 3)
    parts = [int(part) for part in match.group(4, 5, 6, 7)]
    if max(parts) >= 65535 or not any(parts):
        yield f"DriverVer {text!r}: each part must be below 65535, and not all may be 0"
    commit = date.split()
    if f"{year}-{month}-{day}" != commit[0] or parts[:3] != [int(part) for part in commit[1:4]]:
        yield f"DriverVer {text!r} is not the commit's time {date!r}"


def structure_problems(inf):
    for name in inf.sections:
        if name in FORBIDDEN_SECTIONS:
            yield f"section [{name}] is not allowed"
        for key, value in inf.lines(name):
            if key and key.lower() in FORBIDDEN_DIRECTIVES:
                yield f"directive {key} in [{name}] is not allowed"
            if (key or value).upper().startswith(("HKLM", "HKCR", "HKCU", "HKU")):
                yield f"[{name}] writes outside HKR (driver package isolation)"
    strings = {key.lower() for key, _ in inf.lines("Strings")}
    body = re.sub(r"(?ms)^\[Strings\].*", "", inf.text)
    body = re.sub(r"(?m)^\s*;.*$", "", body)
    used = {name.lower() for name in re.findall(r"%([A-Za-z]\w*)%", body)}
    for name in used ^ strings:
        yield f"string %{name}% is " + ("not defined" if name in used else "never used")


def referenced_sections(inf, decoration):
    """Follows the INF from [Manufacturer] down. Yields the sections that it leads to, lower case."""
    for _, line in inf.lines("Manufacturer"):
        models = f"{split(line)[0]}.{decoration}".lower()
        yield models
        for _, model in inf.lines(models):
            install = split(model)[0]
            for suffix in (".nt", ".nt.events", ".nt.hw", ".nt.services"):
                yield install.lower() + suffix
    for section, directive, field in (
            ("wnbd_install.nt", "CopyFiles", 0), ("wnbd_install.nt.events", "AddEventProvider", 1),
            ("wnbd_install.nt.hw", "AddReg", 0),
            ("wnbd_install.nt.services", "AddService", 2), ("wnbd_service", "AddReg", 0)):
        value = inf.value(section, directive)
        if value:
            yield split(value)[field].lower()


def form_problems(inf, raw):
    """General Guidelines for INF Files; Driver package isolation: files stay in the driver store."""
    if not raw.isascii():
        yield "the INF has characters outside ASCII and is not UTF-16"
    for number, line in enumerate(raw.splitlines(), 1):
        if len(line) > 4096:
            yield f"line {number} has more than 4096 characters"
    for name in set(re.findall(r"%(-?\d+)%", inf.text)) - {"13"}:
        yield f"names the directory %{name}%: a driver package has only its own, 13"
    if len(inf.lines("DestinationDirs")) != 1:
        yield "DestinationDirs names more than the default directory"
    sections = [name.lower() for name in re.findall(r"(?m)^\[(.*)\]", inf.text)]
    for name in sorted({name for name in sections if sections.count(name) > 1}):
        yield f"section [{name}] is there more than once"
    for name in ("Version", "Wnbd_Service", "Manufacturer", "Strings"):
        keys = [key.lower() for key, _ in inf.lines(name) if key]
        for key in sorted({key for key in keys if keys.count(key) > 1}):
            yield f"[{name}] has {key} more than once"
    for key in ("LoadOrderGroup", "Dependencies", "StartName", "Security"):
        if inf.value("Wnbd_Service", key) is not None:
            yield f"the service has {key}, which a demand-started driver of PnP does not need"


def install_problems(inf, decoration):
    if inf.value("Manufacturer", "%Provider%") != f"Standard,{decoration}":
        yield f"the models section is not decorated with {decoration} (INF Manufacturer section)"
    if inf.value(f"Standard.{decoration}", "%Device%") != "Wnbd_Install,root\\wnbd":
        yield "the models section does not install root\\wnbd"
    reached = set(referenced_sections(inf, decoration)) | SECTIONS_WITH_A_MEANING
    for name in reached - set(inf.sections):
        yield f"section [{name}] is named but missing"
    for name in set(inf.sections) - reached - FORBIDDEN_SECTIONS:
        yield f"section [{name}] is never used"
    files = [line for _, line in inf.lines("Wnbd_Files")]
    sources = [key for key, _ in inf.lines("SourceDisksFiles")]
    if files != sources or files != ["wnbd.sys"]:
        yield f"CopyFiles {files} and SourceDisksFiles {sources} should both be wnbd.sys"
    if inf.value("DestinationDirs", "DefaultDestDir") != "13":
        yield "the driver is not run from the driver store (DIRID 13)"


def service_problems(inf):
    expected = {"ServiceType": "1", "StartType": "3", "ErrorControl": "1", "ServiceBinary": "%13%\\wnbd.sys"}
    for key, wanted in expected.items():
        if inf.value("Wnbd_Service", key) != wanted:
            yield f"service: {key} is {inf.value('Wnbd_Service', key)!r}, not {wanted!r}"
    if inf.value("Wnbd_Install.NT.Services", "AddService") != "wnbd,0x00000002,Wnbd_Service":
        yield "AddService does not make wnbd the device's function driver"
    parameters = inf.registry("Wnbd_Parameters")
    flags, bus_type = parameters.get(("HKR", "parameters", "bustype"), (None, "0"))
    if flags != "0x00010001" or int(bus_type, 0) != 0xE:
        yield "BusType is not 0xE (BusTypeVirtual)"
    flags, timeout = parameters.get(("HKR", "parameters", "iotimeoutvalue"), (None, "0"))
    if flags != "0x00010001" or not 0 < int(timeout, 0) <= 65535:
        yield "IoTimeoutValue is not a DWORD of 1 to 65535 seconds"


def security_problems(inf):
    device = inf.registry("Wnbd_Device")
    if device.get(("HKR", "", "security")) != ("", ADMINISTRATORS_ONLY):
        yield f"Security is not {ADMINISTRATORS_ONLY}: not only administrators can open the adapter"
    flags, value = device.get(("HKR", "", "devicecharacteristics"), (None, "0"))
    if flags != "0x00010001" or not int(value, 0) & 0x100:
        yield "DeviceCharacteristics lacks FILE_DEVICE_SECURE_OPEN: names below the device are not protected"


def event_problems(inf):
    """INF AddEventProvider directive; the provider's name and identifier are the manifest's."""
    provider = inf.value("Wnbd_Install.NT.Events", "AddEventProvider") or ""
    manifest = xml.parse(MANIFEST).getroot().find(".//{*}provider")
    if provider.split(",")[0].upper() != manifest.get("guid").upper():
        yield f"AddEventProvider names {provider!r}, the manifest {manifest.get('guid')}"
    expected = {"ProviderName": manifest.get("name"), "ResourceFile": "%13%\\wnbd.sys", "MessageFile": "%13%\\wnbd.sys",
                "ImportChannel": "System"}
    for key, wanted in expected.items():
        if inf.value("Wnbd_Events", key) != wanted:
            yield f"events: {key} is {inf.value('Wnbd_Events', key)!r}, not {wanted!r}"


def problems(text, date, decoration=DECORATION):
    """Everything that is wrong with the INF, as sentences. Date as of `tools/version --date`."""
    inf = Inf(text)
    return [*version_problems(inf, date), *structure_problems(inf), *form_problems(inf, text),
            *install_problems(inf, decoration), *service_problems(inf), *security_problems(inf),
            *event_problems(inf)]
