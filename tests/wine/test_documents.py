#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-only
"""What the documents let wnbd-client do, it does, and says what they say: the blocks marked `console wine`.

The documents' server nbd.example.org is nbdkit here, with an export foo. A document begins with the driver installed.
Usage: tools/wine-env python3 tests/wine/test_documents.py
"""
import os
import shlex

import bed
import document_blocks
from bed import servers

HOST, PORT = "nbd.example.org", "10809"


class Documents(bed.Case):
    def words(self, command):
        """The command's, with this machine's server and package in place of the document's."""
        words = shlex.split(command.words, posix=False)
        places = {HOST: "127.0.0.1", PORT: str(self.server.port), "wnbd.inf": os.environ["WNBD_INF"],
                  "wnbd-client.exe": "wnbd-client"}
        if HOST in words and "--port" not in words:
            words += ["--port", PORT]
        return [places.get(word, word) for word in words]

    def test_commands(self):
        self.server = self.serve(servers.NbdKit, self.image(), export="foo")
        ran = 0
        for document in document_blocks.documents():
            for command in document_blocks.commands(document, "wine"):
                done = bed.Program(self.words(command)).wait()
                command.check(self, done.status, (done.stdout + done.stderr).replace("127.0.0.1", HOST))
                ran += 1
            self._remove(*self.mapped())
        self.assertGreater(ran, 15)


if __name__ == "__main__":
    bed.main()
