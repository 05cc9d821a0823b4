"""Sandbox this process: it can't write files, start programs or connect.

Two mechanisms of Linux are used, without privileges. Landlock restricts files (kernel 5.13 and
later) and TCP ports (6.7 and later). seccomp refuses system calls. A mechanism is skipped if the
kernel, the container's own filter (Docker, gVisor) or the architecture does not support it.
"""

from __future__ import annotations

import ctypes
import errno
import logging
import os
import platform
import struct
from collections.abc import Callable, Sequence
from contextlib import suppress

log = logging.getLogger(__name__)

# <linux/prctl.h>, <linux/seccomp.h>, <linux/filter.h>, <linux/audit.h>, <linux/landlock.h>.
PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 38, 22, 2
SECCOMP_ALLOW, SECCOMP_ERRNO = 0x7FFF0000, 0x00050000
LOAD, EQUAL, GREATER_OR_EQUAL, RETURN = 0x20, 0x15, 0x35, 0x06
# System calls that are refused: execve, execveat, connect, ptrace, process_vm_writev,
# io_uring_setup, bpf, userfaultfd; on x86-64 also fork and vfork. clone is allowed: the new process
# or thread has the same restrictions.
ARCHITECTURES = {
    "x86_64": (0xC000003E, (59, 322, 42, 101, 311, 425, 321, 323, 57, 58)),
    "aarch64": (0xC00000B7, (221, 281, 203, 117, 271, 425, 280, 282)),
}
# The call socket is refused too, except for AF_UNIX.
SOCKET = {"x86_64": 41, "aarch64": 198}
AF_UNIX = 1
X32 = 0x40000000  # the x32 ABI: a second set of numbers on x86-64
CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446
VERSION_FLAG, PATH_BENEATH = 1, 1
# Access rights by bit: 0 execute, 1 write, 2 read a file, 3 read a folder, 4 and 5 remove,
# 6 to 12 make, 13 refer (version 2), 14 truncate (3), 15 ioctl of devices (5).
WRITES = 0b0001_1111_1111_0011 & ~1  # version 1 without execute and the two reads
REFER, TRUNCATE = 1 << 13, 1 << 14
BIND, CONNECT = 1, 2


def confine(writable: Sequence[str] = ("/tmp", "/dev/shm")) -> bool:  # noqa: S108
    """Restrict this process, its later threads and its children. This can't be undone.

    Landlock does not restrict threads that already run.

    Parameters
    ----------
    writable : sequence of str
        Folders in which files may still be written.

    Returns
    -------
    bool
        Whether both mechanisms were applied.
    """
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "no_new_privs")
    except (OSError, AttributeError) as error:
        log.debug("not confined: %s", error)
        return False
    done = True
    mechanisms: dict[str, Callable[[], None]] = {
        "Landlock": lambda: _landlock(libc, writable),
        "seccomp": lambda: _seccomp(libc),
    }
    for name, apply in mechanisms.items():
        try:
            apply()
        except (OSError, AttributeError, KeyError) as error:
            done = False
            log.debug("not confined by %s: %s", name, error)
    return done


def _landlock(libc: ctypes.CDLL, writable: Sequence[str]) -> None:
    version = _checked(libc.syscall(CREATE_RULESET, None, 0, VERSION_FLAG))
    handled = WRITES | (REFER if version >= 2 else 0) | (TRUNCATE if version >= 3 else 0)
    # The server is already listening, so it needs no further ports.
    ports = BIND | CONNECT if version >= 4 else 0
    attributes = struct.pack("QQ", handled, ports)[: 16 if version >= 4 else 8]
    rules = _checked(libc.syscall(CREATE_RULESET, attributes, len(attributes), 0))
    try:
        for folder in (*writable, "/dev/null"):
            with suppress(OSError):
                _allow(libc, rules, folder, handled)
        _checked(libc.syscall(RESTRICT_SELF, rules, 0))
    finally:
        os.close(rules)


def _allow(libc: ctypes.CDLL, rules: int, path: str, handled: int) -> None:
    descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        # A path that is not a folder accepts the rights of files only.
        rights = handled if os.path.isdir(path) else handled & (1 << 1 | TRUNCATE)
        rule = struct.pack("=Qi", rights, descriptor)
        _checked(libc.syscall(ADD_RULE, rules, PATH_BENEATH, rule, 0))
    finally:
        os.close(descriptor)


def _checked(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


def _seccomp(libc: ctypes.CDLL) -> None:
    program = b"".join(struct.pack("HBBI", *each) for each in _program(platform.machine()))
    held = ctypes.create_string_buffer(program)
    described = struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(held))
    _checked(libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, described, 0, 0))


def _program(machine: str) -> list[tuple[int, int, int, int]]:
    """Build the BPF filter: EPERM for the listed calls, and for ``socket`` except AF_UNIX.

    The filter reads ``struct seccomp_data``: the number of the call at 0, the architecture at 4,
    the low half of the first argument at 16.
    """
    architecture, refused = ARCHITECTURES[machine]
    denied = SECCOMP_ERRNO | errno.EPERM
    checks: list[tuple[int, int, int, int]] = [
        (LOAD, 0, 0, 4),
        (EQUAL, 1, 0, architecture),
        (RETURN, 0, 0, denied),
        (LOAD, 0, 0, 0),
        (GREATER_OR_EQUAL, 0, 1, X32),
        (RETURN, 0, 0, denied),
    ]
    for number in refused:
        checks += [(EQUAL, 0, 1, number), (RETURN, 0, 0, denied)]
    return [
        *checks,
        (EQUAL, 0, 3, SOCKET[machine]),
        (LOAD, 0, 0, 16),
        (EQUAL, 1, 0, AF_UNIX),
        (RETURN, 0, 0, denied),
        (RETURN, 0, 0, SECCOMP_ALLOW),
    ]
