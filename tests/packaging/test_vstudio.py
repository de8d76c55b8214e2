#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-only
"""vstudio/: that its projects build what the other build does, as far as that can be told without Visual Studio."""
import json
import os
import pathlib
import re
import shlex
import unittest
import xml.etree.ElementTree as ElementTree

ROOT = pathlib.Path(__file__).resolve().parents[2]
TREE = pathlib.Path(os.environ.get("WNBD_BUILD", ROOT / "build")) / "windows-release"
VSTUDIO = ROOT / "vstudio"
NAMESPACE = "{http://schemas.microsoft.com/developer/msbuild/2003}"
# Project: target of CMake, folder, the kind of image.
PROJECTS = {
    "driver": ("wnbd", "driver", "Driver"), "libwnbd": ("libwnbd", "libwnbd", "DynamicLibrary"),
    "wnbd-client": ("wnbd-client", "wnbd-client", "Application"),
    "ramdisk": ("example-ramdisk", "examples/ramdisk", "Application"),
    "filedisk": ("example-file", "examples/file", "Application")}
# What Visual Studio and the WDK define by themselves, or what only their compiler needs; what only CMake defines.
IMPLIED = {"_KERNEL_MODE", "_WIN32_WINNT", "NTDDI_VERSION"}
ONLY_THERE = {"_CRT_SECURE_NO_WARNINGS"}
ONLY_HERE = re.compile(r"NDEBUG|\w+_EXPORTS")
# What each image gets from the compilers' drivers, or under another name.
USUAL = {"ntoskrnl", "hal", "kernel32", "user32", "gdi32", "winspool", "shell32", "ole32", "oleaut32", "uuid",
         "comdlg32", "advapi32"}
EXTENSION = re.compile(r"__attribute__|__builtin_|__extension__|__asm|\btypeof\b|\b_Atomic\b|<stdatomic\.h>|\(\{|"
                       r"\?:|\bcase\b[^:?]*\.\.\.")
# Where a compiler's own ways belong; each has to have another way for Microsoft's.
COMPILER_HEADERS = {"core/base/compiler_gnu.h", "ddk/nt.h", "libwnbd/internal.h", "wnbd-client/compiler.h"}


class Project:
    def __init__(self, name):
        self.root = ElementTree.parse(VSTUDIO / f"{name}.vcxproj").getroot()

    def text(self, name):
        return [element.text for element in self.root.iter(NAMESPACE + name)]

    def words(self, name):
        return [word for text in self.text(name) for word in text.split(";") if word and not word.startswith("%(")]

    def items(self, name):
        return [element.get("Include") for element in self.root.iter(NAMESPACE + name) if element.get("Include")]


def compilations(target, folder):
    """How CMake has a target's sources compiled: {source: words}."""
    found = {}
    for entry in json.loads((TREE / "compile_commands.json").read_text()):
        words = shlex.split(entry["command"])
        if words[words.index("-o") + 1].startswith(f"{folder}/CMakeFiles/{target}.dir/"):
            found[str(pathlib.Path(entry["file"]).relative_to(ROOT))] = words
    return found


def libraries(image):
    """What CMake has an image linked with."""
    text = (TREE / "build.ninja").read_text()
    rule = re.search(rf"(?m)^build (?:\S+ )*?{re.escape(image)}[ :].*\n(?:  .*\n)*?  LINK_LIBRARIES = (.*)$", text)
    return re.findall(r"(?:^|\s)-l(\S+)", rule.group(1)), rule.group(1)


class Projects(unittest.TestCase):
    def each(self):
        for name, (target, folder, kind) in PROJECTS.items():
            with self.subTest(project=name):
                compiled = compilations(target, folder)
                self.assertTrue(compiled)
                yield name, Project(name), compiled, kind

    def test_sources(self):
        for name, project, compiled, _ in self.each():
            sources = [name.replace("..\\", "").replace("\\", "/") for name in project.items("ClCompile")]
            self.assertEqual(sorted(sources), sorted(compiled), f"vstudio/{name}.vcxproj: other sources than CMake's")

    def test_no_two_objects_have_the_same_name(self):
        for _, project, _, _ in self.each():
            names = []
            for item in project.root.iter(NAMESPACE + "ClCompile"):
                if item.get("Include"):
                    stem = pathlib.PureWindowsPath(item.get("Include")).stem
                    name = item.find(NAMESPACE + "ObjectFileName")
                    names.append(f"$(IntDir){stem}.obj" if name is None else name.text.replace("%(Filename)", stem))
            self.assertEqual(sorted(set(names)), sorted(names))

    def test_definitions(self):
        for name, project, compiled, _ in self.each():
            there = set(project.words("PreprocessorDefinitions")) - ONLY_THERE
            for source, words in compiled.items():
                here = {word[2:] for word in words if word.startswith("-D")}
                here = {word for word in here if not ONLY_HERE.fullmatch(word)}
                if name == "driver":
                    here = {word for word in here if word.partition("=")[0] not in IMPLIED}
                self.assertEqual(there, here, source)

    def test_include_folders(self):
        for _, project, compiled, _ in self.each():
            there = [word.replace("..\\", "").replace("\\", "/") for word in
                     project.words("AdditionalIncludeDirectories") if word != "$(IntDir)"]
            for source, words in compiled.items():
                here = [word[2:] for word in words if word.startswith("-I")]
                here += [words[at + 1] for at, word in enumerate(words) if word == "-isystem"]
                here = {str(pathlib.Path(folder).relative_to(ROOT)) for folder in here if folder.startswith(f"{ROOT}/")}
                self.assertEqual(set(there), {folder for folder in here if not folder.startswith("build/")}, source)

    def test_images(self):
        for name, project, _, kind in self.each():
            self.assertEqual(project.text("ConfigurationType"), [kind])
            self.assertEqual(project.text("TargetName"), ["wnbd" if name == "driver" else name])

    def test_libraries(self):
        images = {"driver": "driver/wnbd.sys", "libwnbd": "libwnbd/libwnbd.dll",
                  "wnbd-client": "wnbd-client/wnbd-client.exe"}
        for name, image in images.items():
            with self.subTest(project=name):
                here, line = libraries(image)
                if "libstorport_import.a" in line:
                    here.append("storport")
                there = [word.removesuffix(".lib") for word in Project(name).words("AdditionalDependencies")]
                self.assertEqual(set(there) - USUAL, set(here) - USUAL)
                self.assertLessEqual(set(there), set(here))
        for name in ("wnbd-client", "ramdisk", "filedisk"):
            self.assertEqual(Project(name).items("ProjectReference"), ["libwnbd.vcxproj"])

    def test_the_export_file_is_the_same(self):
        self.assertEqual(Project("libwnbd").text("ModuleDefinitionFile"), ["..\\libwnbd\\libwnbd.def"])
        self.assertIn("libwnbd/libwnbd.def", (TREE / "build.ninja").read_text())

    def test_warnings_are_errors(self):
        common = ElementTree.parse(VSTUDIO / "common.props").getroot()
        for name, value in (("WarningLevel", "Level4"), ("TreatWarningAsError", "true"),
                            ("LanguageStandard_C", "stdc11")):
            self.assertEqual([element.text for element in common.iter(NAMESPACE + name)], [value])
        for _, project, compiled, _ in self.each():
            imports = [element.get("Project") for element in project.root.iter(NAMESPACE + "Import")]
            self.assertIn("common.props", imports)
            self.assertIn("common.targets", imports)
            self.assertFalse(project.text("WarningLevel") + project.text("TreatWarningAsError"))
            for words in compiled.values():
                self.assertLessEqual({"-Wall", "-Wextra", "-Werror", "-std=c11"}, set(words))

    def test_the_driver_is_packed_and_test_signed(self):
        driver = Project("driver")
        for name, value in (("DriverType", "WDM"), ("SignMode", "TestSign"), ("EnableInf2cat", "true"),
                            ("PlatformToolset", "WindowsKernelModeDriver10.0"), ("PackageDir", "$(OutDir)driver")):
            self.assertEqual(driver.text(name), [value])
        self.assertEqual(driver.items("Inf"), ["$(IntDir)wnbd.inx"])
        for element in driver.root.iter(NAMESPACE + "Copy"):
            name = element.get("SourceFiles").replace("..\\", "").replace("\\", "/")
            self.assertTrue((ROOT / name).exists(), name)

    def test_resources_have_all_that_the_script_asks_for(self):
        wanted = set(re.findall(r"@\w+@", (ROOT / "packaging" / "version.rc.in").read_text()))
        self.assertEqual(set(re.findall(r"@\w+@", (VSTUDIO / "common.targets").read_text())), wanted)

    def test_solution(self):
        text = (VSTUDIO / "wnbd.sln").read_text()
        found = dict(re.findall(r'(?m)^Project\("\{[^}]+\}"\) = "([^"]+)", "\1\.vcxproj", "(\{[^}]+\})"$', text))
        self.assertEqual(set(found), set(PROJECTS))
        self.assertEqual({f"{name}.vcxproj" for name in PROJECTS}, {path.name for path in VSTUDIO.glob("*.vcxproj")})
        for name, guid in found.items():
            self.assertEqual(Project(name).text("ProjectGuid"), [guid])
            for configuration in ("Debug|x64", "Release|x64"):
                self.assertIn(f"{guid}.{configuration}.Build.0 = {configuration}", text)
                self.assertIn(configuration, Project(name).items("ProjectConfiguration"))


class Language(unittest.TestCase):
    def test_the_other_build_is_to_the_letter_of_c11(self):
        for name in ("driver", "libwnbd", "wnbd-client"):
            target, folder, _ = PROJECTS[name]
            for source, words in compilations(target, folder).items():
                self.assertLessEqual({"-std=c11", "-pedantic-errors", "-Wgnu", "-Wmicrosoft"}, set(words), source)

    def test_extensions_are_in_the_compilers_headers_only(self):
        """Those that Microsoft's compiler lacks."""
        used = set()
        for folder in ("core", "ddk", "driver", "examples", "include", "libwnbd", "wnbd-client"):
            for path in (ROOT / folder).rglob("*.[ch]"):
                if "tests" in path.parts:
                    continue
                text = re.sub(r'/\*.*?\*/|"(?:[^"\\\n]|\\.)*"', "", path.read_text(encoding="utf-8"), flags=re.S)
                if EXTENSION.search(text):
                    used.add(str(path.relative_to(ROOT)))
        self.assertEqual(used, COMPILER_HEADERS)


if __name__ == "__main__":
    unittest.main(verbosity=2)
