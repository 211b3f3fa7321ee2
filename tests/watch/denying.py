"""The command line, where the kernel refuses some calls.

    python denying.py inotify_init1=EMFILE,threads=EAGAIN args…

A filter of the kernel's own (seccomp) answers for it; `threads` are those of the process, whose forks go on.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
import sys

NUMBERS = {
    "x86_64": {"inotify_init": 253, "inotify_init1": 294, "inotify_add_watch": 254, "clone": 56, "clone3": 435},
    "aarch64": {"inotify_init": 1043, "inotify_init1": 26, "inotify_add_watch": 27, "clone": 220, "clone3": 435},
}  # fmt: skip
_LOAD, _EQUAL, _ANY_BIT, _RETURN = 0x20, 0x15, 0x45, 0x06
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000
_NUMBER, _FIRST_ARGUMENT = 0, 16
_THREAD = 0x10000
_SET_NO_NEW_PRIVS, _SET_SECCOMP, _FILTER = 38, 22, 2


def step(code: int, value: int, yes: int = 0, no: int = 0) -> bytes:
    return struct.pack("HBBI", code, yes, no, value)


def refusal(call: str, name: str) -> bytes:
    numbers = NUMBERS[platform.machine()]
    refused = step(_RETURN, _ERRNO | getattr(errno, name))
    if call != "threads":
        return step(_EQUAL, numbers[call], 0, 1) + refused
    # The C library falls back to clone, whose first argument says what is made.
    return b"".join(
        (
            step(_EQUAL, numbers["clone3"], 0, 1),
            step(_RETURN, _ERRNO | errno.ENOSYS),
            step(_EQUAL, numbers["clone"], 0, 4),
            step(_LOAD, _FIRST_ARGUMENT),
            step(_ANY_BIT, _THREAD, 0, 1),
            refused,
            step(_LOAD, _NUMBER),
        )
    )


def deny(calls: str) -> None:
    """From now on, in this process and its children."""
    rules = [refusal(*pair.split("=")) for pair in calls.split(",")]
    program = step(_LOAD, _NUMBER) + b"".join(rules) + step(_RETURN, _ALLOW)
    code = ctypes.create_string_buffer(program, len(program))
    whole = struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(code))
    libc = ctypes.CDLL(None, use_errno=True)
    for call in ((_SET_NO_NEW_PRIVS, 1, 0, 0, 0), (_SET_SECCOMP, _FILTER, whole, 0, 0)):
        if libc.prctl(*call):
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def main() -> None:
    calls = sys.argv.pop(1)
    deny(calls)
    os.execv(sys.executable, [sys.executable, "-m", "batchrun", *sys.argv[1:]])


if __name__ == "__main__":
    main()
