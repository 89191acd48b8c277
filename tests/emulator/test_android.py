"""Shell lines print on an emulated phone what they print on a real one.

`shell-lines.json` has lines with the output and the status of mksh 59c and toybox 0.8.9.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from koophone_async.emulator.android.copy_on_write import AndroidChanges
from koophone_async.emulator.android.releases import MODELS, RELEASES, factory_image
from koophone_async.emulator.android.system import Android, run, truncate

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
RECORDED: list[tuple[str, str, int]] = json.loads(
    Path(__file__).with_name("shell-lines.json").read_text("utf-8")
)
SETUP = "cd /sdcard; rm -r *; mkdir d; echo hi > a; echo 'b\na' > bb; echo '10\n9\n-1' > num"
APK = "touch /sdcard/com.a.game-2.5.apk; pm install -r /sdcard/com.a.game-2.5.apk"
NOT_FOUND = "inaccessible or not found\n"
SH = "/system/bin/sh: "


@pytest.fixture
def android() -> Android:
    return Android(factory_image(MODELS[0], RELEASES[1]), "A1B2C3")


def output_of(android: Android, *lines: str) -> str:
    """Run some lines; return the output of the last one."""
    return [run(android, line, NOW).output for line in lines][-1]


@pytest.mark.parametrize("line,output,status", RECORDED)
def test_a_line_prints_the_same_as_the_real_shell(
    android: Android, line: str, output: str, status: int
) -> None:
    run(android, SETUP, NOW)

    result = run(android, f"cd /sdcard\n{line}", NOW)

    assert (result.output, result.status) == (output, status)


@pytest.mark.parametrize(
    "line,output,status",
    [
        ("getprop ro.build.version.release", "10\n", 0),
        ("getprop ro.serialno", "A1B2C3\n", 0),
        ("getprop no.such.thing", "\n", 0),
        ("getprop no.such.thing other", "other\n", 0),
        ("getprop | grep serialno", "[ro.boot.serialno]: [A1B2C3]\n[ro.serialno]: [A1B2C3]\n", 0),
        ("setprop debug.a 1; getprop debug.a", "1\n", 0),
        ("setprop debug.a", 'setprop: Needs 2 arguments (see "setprop --help")\n', 1),
        ("setprop ro.secure 0", "Failed to set property 'ro.secure' to '0'.\nSee dmesg for ", 1),
        ("settings get system screen_brightness", "102\n", 0),
        ("settings get global nope", "null\n", 0),
        ("settings put secure k 'a b'; settings get secure k", "a b\n", 0),
        ("settings delete system k; settings delete system font_scale", "Deleted 0 rows\nDeleted 1", 0),
        ("settings list secure | head -n 1", "accessibility_enabled=0\n", 0),
        ("settings get nowhere k", "Invalid namespace 'nowhere'\n", 255),
        ("settings", "Invalid namespace ''\n", 255),
        ("settings get system", "Bad arguments\n", 255),
        ("id -u; id -un; id -G", "2000\nshell\n2000 1004 1007 1011 1015 1028 3001", 0),
        ("id", "uid=2000(shell) gid=2000(shell) groups=2000(shell),1004(input)", 0),
        ("whoami", "shell\n", 0),
        ("date", "Fri Jan  2 03:04:05 UTC 2026\n", 0),
        ("date +%F-%s", "2026-01-02-1767323045\n", 0),
        ("date 010203042026", "date: cannot set date: Operation not permitted\n", 1),
        ("uname; uname -rm", "Linux\n4.19.95 aarch64\n", 0),
        ("uname -a", "Linux localhost 4.19.95 #1 SMP PREEMPT aarch64\n", 0),
        ("wm size; wm density", "Physical size: 720x1280\nPhysical density: 320\n", 0),
        ("wm size 540x960; wm size", "Physical size: 720x1280\nOverride size: 540x960\n", 0),
        ("wm density 240; wm density reset; wm density", "Physical density: 320\n", 0),
        ("wm density 240; wm density", "Physical density: 320\nOverride density: 240\n", 0),
        ("wm size big", "Error: bad size big\n", 255),
        ("wm overscan", "Unknown command: overscan\n", 255),
        ("input swipe 1 2 3 4 500; input text hi; input keyevent KEYCODE_HOME", "", 0),
        ("input tap 1", "Error: Invalid arguments for command: tap\n", 255),
        ("input roll 1", "Error: Unknown command: roll\n", 255),
        ("dumpsys battery | grep level", "  level: 100\n", 0),
        ("dumpsys package com.android.settings | grep -o 'versionName=.*'", "versionName=10\n", 0),
        ("dumpsys package com.nope", "Unable to find package: com.nope\n", 0),
        ("dumpsys nope", "Can't find service: nope\n", 0),
        ("df /data", "Filesystem      1K-blocks    Used Available Use% Mounted on\n", 0),
        ("df -h / | tail -n 1", "/dev/root  3.0G 2.1G      0.9G  69% /\n", 0),
        ("df / /data | wc -l", "3\n", 0),
        ("ps | tail -n 1", "shell         3991  3990  921600  24000 0                   0 S ps\n", 0),
        ("ps -A | grep -c android", "3\n", 0),
        ("pm list packages -3", "", 0),
        ("pm list packages -s phone", "package:com.android.phone\n", 0),
        ("pm path android", "package:/system/framework/framework-res.apk\n", 0),
        ("pm path com.android.settings", "package:/system/app/Settings/Settings.apk\n", 0),
        ("pm path com.nope", "", 1),
        ("pm path", "Error: package name not specified\n", 255),
        ("pm uninstall com.android.settings", "Failure [DELETE_FAILED_INTERNAL_ERROR]\n", 1),
        ("pm uninstall com.nope", "Failure [DELETE_FAILED_INTERNAL_ERROR]\n", 1),
        ("pm clear --user 0 com.android.settings; pm clear com.nope", "Success\nFailed\n", 1),
        ("pm install", "Error: failed to write; Must specify APK\n", 255),
        ("pm install /sdcard/x.apk", "Error: Unable to open file: /sdcard/x.apk\n", 1),
        ("pm install /system/build.prop", "Failure [INSTALL_PARSE_FAILED_NOT_APK", 1),
        ("pm dance", "Unknown command: dance\n", 255),
        ("am start -n com.android.phone/.P", "Starting: Intent { cmp=com.android.phone/.P }\n", 0),
        ("am start a/b.C | tail -n 1", "Error: Activity class {a/b.C} does not exist.\n", 0),
        ("am start -n a/.C", "Starting: Intent { cmp=a/.C }\nError type 3\nError: Activity class {a/a", 1),
        ("am start -a VIEW -d http://h/p", "Starting: Intent { act=VIEW dat=http://h/p }\n", 0),
        ("am force-stop com.nope", "", 0),
        ("am force-stop", "Unknown command: force-stop\n", 255),
        ("ls /system/nope", "ls: /system/nope: No such file or directory\n", 1),
        ("cat < /nope", f"{SH}can't open /nope: No such file or directory\n", 1),
        ("echo x > /system/x", f"{SH}can't create /system/x: Read-only file system\n", 1),
        ("echo x > /data/x", f"{SH}can't create /data/x: Permission denied\n", 1),
        ("echo x > /dev/null; cat /dev/null", "", 0),
        ("rm /system/build.prop", "rm: /system/build.prop: Read-only file system\n", 1),
        ("/system/bin/whoami; /vendor", f"shell\n{SH}/vendor: can't execute: Permission denied\n", 126),
        ("sh -c 'echo in; exit 3'; echo $?", "in\n3\n", 0),
        ("sh", "", 0),
        ("export X=1 Y; echo $X$Y$USER", "1shell\n", 0),
        ("ls /s*/b*.prop; cd /system; ls -d f*", "/system/build.prop\nfonts\nframework\n", 0),
        ("cd /system/build.prop", f"{SH}cd: /system/build.prop: Not a directory\n", 2),
        ("cd /nope", f"{SH}cd: /nope: No such file or directory\n", 2),
        ("(echo)", f"{SH}syntax error: unexpected '('\n", 1),
        ("echo > > a", f"{SH}syntax error: unexpected '>'\n", 1),
        ("\n\necho a\n\necho b\n", "a\nb\n", 0),
        ("[ 1 -le x ]", "[: not integer: x\n", 1),
        ("[ a b c d ]", f"{SH}[: unexpected operator/operand\n", 2),
        ("ls -d -- /apex /nope", "ls: /nope: No such file or directory\n/apex\n", 1),
        ("echo x > /sdcard/DCIM", f"{SH}can't create /sdcard/DCIM: Is a directory\n", 1),
        ("touch /system; touch /sdcard/Music/", "touch: '/system': Read-only file system\n", 0),
        ("[ ]; echo $?; [ a ] && [ -n a ] && test ! 1 -ne 1 && echo yes", "1\nyes\n", 0),
        ("echo a; exit 7; echo b", "a\n", 7),
        ("echo 'x(y' | grep -F '('; echo aab | grep -o 'a\\{2\\}'", "x(y\naa\n", 0),
        ("rm -r /sdcard/DCIM > /sdcard/DCIM/log", "rm: write: ", 1),
    ],
)  # fmt: skip
def test_a_command_prints_the_same_as_on_a_phone(
    android: Android, line: str, output: str, status: int
) -> None:
    result = run(android, line, NOW)

    assert result.output.startswith(output)
    assert bool(output) == bool(result.output)
    assert result.status == status


def test_an_app_is_installed_started_and_uninstalled(android: Android) -> None:
    assert output_of(android, APK, "pm list packages -3") == "package:com.a.game\n"
    assert (
        output_of(android, "pm list packages -f -3") == "package:/data/app/com.a.game-1/base.apk=com.a.game\n"
    )
    assert android.apps["com.a.game"] == "2.5"
    assert (
        output_of(android, "am start com.a.game/.Main; am start com.a.game/.Main", "ps -A | grep -c game")
        == "1\n"
    )
    assert output_of(android, "am force-stop com.a.game", "ps -A | grep -c game") == "0\n"
    assert output_of(android, "pm uninstall -k com.a.game", "pm list packages -3") == ""


def test_ls_shows_owner_and_mode_by_directory(android: Android) -> None:
    run(android, "echo hello > /sdcard/Music/a; echo x > /data/local/tmp/b; touch /data/local/tmp/.c", NOW)

    assert (
        output_of(android, "ls -l /sdcard/Music")
        == "total 4\n-rw-rw---- 1 root sdcard_rw 6 2026-01-02 03:04 a\n"
    )
    assert (
        output_of(android, "ls -l /data/local/tmp/b")
        == "-rw-r--r-- 1 shell shell 2 2026-01-02 03:04 /data/local/tmp/b\n"
    )
    assert (
        output_of(android, "ls -ld /storage/emulated/0")
        == "drwxrwx--x 2 root sdcard_rw 4096 2020-08-05 00:00 /storage/emulated/0\n"
    )
    assert (
        output_of(android, "ls -l /sdcard/Music")
        == "total 4\n-rw-rw---- 1 root sdcard_rw 6 2026-01-02 03:04 a\n"
    )
    assert (
        output_of(android, "cd /data/local/tmp; ls -l b") == "-rw-r--r-- 1 shell shell 2 2026-01-02 03:04 b\n"
    )
    assert (
        output_of(android, "cd /sdcard; ls -ld DCIM")
        == "drwxrwx--x 2 root sdcard_rw 4096 2020-08-05 00:00 DCIM\n"
    )
    assert output_of(android, "cd /data/local/tmp; ls -a; ls -A; ls") == ".\n..\n.c\nb\n.c\nb\nb\n"


def test_the_shared_storage_has_aliases(android: Android) -> None:
    run(android, "echo one > /sdcard/a; echo two >> /mnt/sdcard/../sdcard/./a", NOW)

    assert output_of(android, "cat /storage/emulated/0/a //storage/self/primary/a") == "one\ntwo\none\ntwo\n"


def test_touch_sets_the_time_of_a_directory(android: Android) -> None:
    assert " 2026-01-02 03:04 " in output_of(android, "touch /sdcard/Music; ls -ld /sdcard/Music")


def test_sleep_does_not_wait_and_reports_its_seconds(android: Android) -> None:
    lines = [
        "sleep 2",
        "sleep 1.5 && sleep 1m",
        "echo $(sleep 3) | cat",
        "sh -c 'sleep 4'",
        "sleep 9999999999d",
    ]

    assert [run(android, line, NOW).seconds for line in lines] == [2.0, 61.5, 3.0, 4.0, 2.0**31]


def test_the_last_100_inputs_are_kept(android: Android) -> None:
    for at in range(102):
        run(android, f"input tap {at} 0.5", NOW)

    assert len(android.inputs) == 100
    assert android.inputs[-1] == "tap 101 0.5"


def test_a_reverted_change_is_not_stored(android: Android) -> None:
    run(android, "setprop a 1; settings put global wifi_on 0; " + APK, NOW)
    assert android.changes != AndroidChanges()

    run(android, "settings put global wifi_on 1; pm uninstall com.a.game; rm /sdcard/*.apk", NOW)
    del android.properties["a"]

    assert android.changes == AndroidChanges()


def test_a_missing_key_cannot_be_deleted(android: Android) -> None:
    with pytest.raises(KeyError):
        del android.properties["no.such"]
    assert len(android.settings) == len(android.factory.settings)


DOUBLING = "x=aaaaaaaa;" + "x=$x$x;" * 90
FILLING = "cd /sdcard; echo " + "a" * 300 + ">a;" + "cat a a a a>b;cat b b b b>a;" * 20


@pytest.mark.parametrize(
    "line,problem", [(DOUBLING, "Argument list too long"), (FILLING, "No space left on device")]
)
def test_a_line_cannot_fill_the_memory(android: Android, line: str, problem: str) -> None:
    result = run(android, line, NOW)

    assert problem in result.output
    assert len(result.output) < 10_000
    assert sum(map(len, android.files.values())) < 4 * 1024 * 1024


@given(st.text(alphabet=st.sampled_from("ab$(){}'\"`\\;|&<>*?[]-/=.! \n\0é\ud800"), max_size=60))
def test_any_line_ends_with_a_status(line: str) -> None:
    result = run(Android(factory_image(MODELS[1], RELEASES[0]), "S"), line, NOW)

    assert 0 <= result.status <= 255
    assert result.errors == ""


@given(st.text(), st.integers(0, 50))
def test_a_cut_output_is_the_longest_prefix(output: str, max_bytes: int) -> None:
    kept = truncate(output, max_bytes)
    rest = output.encode(errors="replace").decode()[len(kept) :]

    assert output.encode(errors="replace").startswith(kept.encode())
    assert len(kept.encode()) <= max_bytes
    assert not rest or len((kept + rest[0]).encode()) > max_bytes


def test_an_output_is_cut_at_1024_bytes_between_characters() -> None:
    assert truncate("a" * 1023 + "é") == "a" * 1023
    assert truncate("a" * 2000) == "a" * 1024
