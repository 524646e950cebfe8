#!/usr/bin/python3
"""In credd's place in its unit: tells what it may do there, and that it is ready."""
import ctypes
import errno
import mmap
import os
import resource
import signal
import socket
import subprocess
import sys
import time

libc = ctypes.CDLL(None, use_errno=True)
out = open("/share/told.new", "w")


def tell(what, answer):
    print(f"{what}: {answer}", file=out)


def attempt(what, act):
    try:
        act()
        tell(what, "allowed")
    except OSError as error:
        tell(what, errno.errorcode[error.errno])


def call(function, *arguments):
    if function(*arguments) < 0:
        raise OSError(ctypes.get_errno(), "")


def setuid_bit():
    with open("/tmp/probe", "w"):
        os.chmod("/tmp/probe", 0o4755)


def read_key():
    with open(f"/proc/{other}/environ", "rb") as environ:
        assert b"AWS_BEARER_TOKEN_BEDROCK=x" in environ.read()


def follow():
    seize, detach, interrupt, traced = 0x4206, 17, 0x4207, 0x40000000
    call(libc.ptrace, seize, other, None, None)
    call(libc.ptrace, interrupt, other, None, None)
    os.waitpid(other, traced)
    call(libc.ptrace, detach, other, None, None)


other = int(open("/share/other").read())
status = dict(line.rstrip().split(":\t", 1) for line in open("/proc/self/status") if ":\t" in line)
tell("argv", " ".join(sys.argv[1:]))
for name in ("NoNewPrivs", "Seccomp"):
    tell(name, status[name])
tell("umask", f"0{os.umask(0o077):o}")
tell("core", resource.getrlimit(resource.RLIMIT_CORE)[1])
attempt("writable and executable memory", lambda: mmap.mmap(-1, 4096, prot=7))
attempt("netlink", lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW))
attempt("namespace", lambda: call(libc.unshare, 0x10000000))
attempt("setuid bit", setuid_bit)
attempt("personality", lambda: call(libc.personality, 0x8))
attempt("performance counters", lambda: call(libc.syscall, 298, None, 0, 0, -1, 0))
attempt("internet", lambda: socket.socket(socket.AF_INET6))
attempt("pidfd", lambda: os.pidfd_open(other))
attempt("prlimit", lambda: resource.prlimit(other, resource.RLIMIT_NOFILE))
attempt("key of another process", read_key)
attempt("following a process that starts", follow)
attempt("a listener of another process", lambda: call(libc.syscall, 438, os.pidfd_open(other), 0, 0))
attempt("signal to another process", lambda: signal.pidfd_send_signal(os.pidfd_open(other), 0))
run = "systemd-run --user --quiet --collect --wait --pipe grep NoNewPrivs /proc/self/status"
said = subprocess.run(run.split(), capture_output=True, text=True)
tell("outside the sandbox", " ".join(said.stdout.split()))
tell("watchdog", os.environ["WATCHDOG_USEC"])
out.close()

child = os.fork()
if child == 0:
    time.sleep(1000)
    os._exit(0)
with open("/share/child", "w") as file:
    file.write(str(child))
os.rename("/share/told.new", "/share/told")
with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
    line.connect(os.environ["NOTIFY_SOCKET"].replace("@", "\0", 1))
    line.send(b"READY=1")
while True:
    signal.pause()
