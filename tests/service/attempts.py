#!/usr/bin/python3
"""In a unit's sandbox: attempts what is named in the arguments, and tells of each what came of it."""
import ctypes
import errno
import mmap
import os
import socket
import struct
import subprocess
import sys

libc = ctypes.CDLL(None, use_errno=True)
scratch = f"/tmp/attempt-{os.getpid()}"

# `exit(0)` in 32-bit code: an ELF header, one program header, mov eax, 1; xor ebx, ebx; int 0x80.
FOREIGN = bytes.fromhex(
    "7f454c4601010100000000000000000002000300010000005480040834000000000000000000000034002000010028000000000001000000"
    "0000000000800408008004085d0000005d0000000500000000100000" "b80100000031dbcd80"
)


def call(function, *arguments):
    if function(*arguments) < 0:
        raise OSError(ctypes.get_errno(), "")


def refuse_unless(allowed):
    if not allowed:
        raise PermissionError(errno.EPERM, "")


def made(mode):
    with open(scratch, "wb") as file:
        file.write(FOREIGN)
    os.chmod(scratch, mode)
    return scratch


def readable_by_others():
    open(scratch, "w").close()
    refuse_unless(os.stat(scratch).st_mode & 0o044)


def core_dump():
    line = next(line for line in open("/proc/self/limits") if line.startswith("Max core file size"))
    refuse_unless(line.split()[5] != "0")


def foreign_program():
    refuse_unless(subprocess.run([made(0o755)]).returncode == 0)


def program_of_root():
    said = subprocess.run(["/usr/local/bin/id-of-root", "-u"], capture_output=True, text=True)
    refuse_unless(said.stdout == "0\n")


def group_of_an_open_file():
    with open(made(0o600)) as file:
        os.fchown(file.fileno(), -1, os.getgid())


def key_of_another_process():
    with open(f"/proc/{open('/share/other').read().strip()}/environ", "rb") as environ:
        assert b"AWS_BEARER_TOKEN_BEDROCK=x" in environ.read()


NUMBERS = {"x86_64": {"userfaultfd": 323, "seccomp": 317}, "aarch64": {"userfaultfd": 282, "seccomp": 277}}[os.uname().machine]
IO_URING_SETUP, OPEN_TREE, LANDLOCK_CREATE_RULESET = 425, 428, 444



def filter_of_its_own():
    # One instruction: return SECCOMP_RET_ALLOW.
    code = ctypes.create_string_buffer(struct.pack("HBBI", 0x06, 0, 0, 0x7FFF0000), 8)
    program = ctypes.create_string_buffer(struct.pack("HxxxxxxP", 1, ctypes.addressof(code)), 16)
    call(libc.syscall, NUMBERS["seccomp"], 1, 0, program)


ATTEMPTS = {
    "a file readable by others": readable_by_others,
    "a core dump": core_dump,
    "the rights of a program's owner": program_of_root,
    "a netlink socket": lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW),
    "a program of another architecture": foreign_program,
    "a call that services don't make": lambda: call(libc.syscall, OPEN_TREE, -100, b"/", 0),
    "a ring of requests to the kernel": lambda: call(libc.syscall, IO_URING_SETUP, 1, ctypes.create_string_buffer(120)),
    "a file's owner by its path": lambda: os.chown(made(0o600), -1, os.getgid()),
    "another priority": lambda: os.nice(1),
    "another user id": lambda: os.setresuid(-1, -1, -1),
    "page faults to handle": lambda: call(libc.syscall, NUMBERS["userfaultfd"], 1),
    "an open file's group": group_of_an_open_file,
    "writable and executable memory": lambda: mmap.mmap(-1, 4096, prot=7),
    "a namespace": lambda: call(libc.unshare, 0x10000000),
    "a setuid bit": lambda: made(0o4755),
    "another personality": lambda: call(libc.personality, 0x0040000),
    "Landlock": lambda: call(libc.syscall, LANDLOCK_CREATE_RULESET, None, 0, 1),
    "a filter of its own": filter_of_its_own,
    "the key of another process": key_of_another_process,
}

with open(sys.argv[1], "w") as out:
    for name in sys.argv[2:]:
        try:
            ATTEMPTS[name]()
            print(f"{name}: allowed", file=out)
        except OSError as error:
            print(f"{name}: {errno.errorcode[error.errno]}", file=out)
