#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Drive brig-guest by a script of lines on stdin, over the protocol of vm-mode/protocol/README.md (written from that page, not from
the code). Each line prints its result.

  guestctl.py machine KERNEL INITRAMFS SHARE      QEMU microvm (TCG) with virtiofsd; options by environment: MEM, NET=1
  guestctl.py process BRIG_GUEST SHARE            brig-guest itself on a socket pair, no machine

  create ID NUM CONFIG-FILE [STDIO-BITS]   start ID            exec ID NUM PROCESS-JSON-FILE [STDIO-BITS]
  stdin NUM TEXT      eof NUM      out NUM   err NUM           wait NUM          size NUM ROWS COLS
  kill ID NUM SIGNAL  pause ID     resume ID  update ID JSON   stats ID   ps ID  delete ID
  net JSON   time SECONDS   ping   sleep SECONDS   expect NUM TEXT   noread NUM   shutdown   raw HEX
"""
import json, os, select, shutil, signal, socket, struct, subprocess, sys, tempfile, threading, time

MAGIC, VERSION = 0x47495242, int(os.environ.get("PROTO_VERSION", "1"))
TYPES = dict(hello=1, reply=2, error=3, create=16, start=17, exec=18, kill=19, resize=20, pause=21, resume=22, update=23, stats=24,
             ps=25, delete=26, net=27, time=28, shutdown=29, ping=30, exit=64, oom=65, log=66, stdin=80, stdout=81, stderr=82, window=83)
NAMES = {v: k for k, v in TYPES.items()}
WINDOW = 256 << 10


def text(s):
    b = s.encode() + b"\0"
    return struct.pack("<I", len(b)) + b


def data(b):
    return struct.pack("<I", len(b)) + b


class Channel:
    def __init__(self, sock):
        self.sock, self.buf, self.seq, self.replies, self.exits = sock, b"", 0, {}, {}
        self.out, self.eof, self.credit, self.parts, self.events = {}, set(), {}, b"", []
        self.noread, self.owed, self.late = set(), {}, {}

    def send(self, kind, payload=b"", num=0, seq=0, flags=0):
        while True:
            part, payload = payload[:65536], payload[65536:]
            self.sock.sendall(struct.pack("<IHHII", len(part), TYPES[kind], flags | (1 if payload else 0), num, seq) + part)
            if not payload:
                return

    def pump(self, timeout):
        r, _, _ = select.select([self.sock], [], [], timeout)
        if not r:
            return False
        got = self.sock.recv(1 << 20)
        if not got:
            raise EOFError("the guest closed the channel")
        self.buf += got
        while len(self.buf) >= 16:
            n, kind, flags, num, seq = struct.unpack("<IHHII", self.buf[:16])
            if len(self.buf) < 16 + n:
                break
            payload, self.buf = self.buf[16:16 + n], self.buf[16 + n:]
            if flags & 1:
                self.parts += payload
                continue
            payload, self.parts = self.parts + payload if kind == 2 else payload, self.parts if kind != 2 else b""
            self.take(NAMES[kind], flags, num, seq, payload)
        return True

    def take(self, kind, flags, num, seq, p):
        if kind in ("stdout", "stderr"):
            self.out[(num, kind)] = self.out.get((num, kind), b"") + p
            if flags & 2:
                self.eof.add((num, kind))
            elif num not in self.noread and p:
                self.send("window", struct.pack("<II", TYPES[kind], len(p)), num)
        elif kind == "exit":
            self.exits[num] = struct.unpack("<III", p)
        elif kind in ("reply", "error", "hello"):
            self.replies[seq] = (kind, p)
        else:
            self.events.append((kind, num, p))
            if kind == "oom":
                print("event oom", p[4:4 + struct.unpack("<I", p[:4])[0] - 1].decode())
            elif kind == "log":
                print("log", p[6:-1].decode(errors="replace"))

    def until(self, what, seconds=20):
        end = time.time() + seconds
        while not what():
            if time.time() > end or not self.pump(max(0, end - time.time())):
                raise TimeoutError("nothing came in %d s" % seconds)

    def hello(self):
        self.until(lambda: 0 in self.replies, float(os.environ.get("BOOT_SECONDS", "30")))
        p = self.replies.pop(0)[1]
        magic, version, _ = struct.unpack("<IHH", p[:8])
        n = struct.unpack("<I", p[8:12])[0]
        print("hello from", p[12:12 + n - 1].decode(), "protocol", version, "ok" if magic == MAGIC else "bad magic")
        now = time.time()
        self.send("hello", struct.pack("<IHH", MAGIC, VERSION, 0) + text("guestctl") + struct.pack("<QI", int(now), 0) +
                  data(os.urandom(32)) + text("") + struct.pack("<QQI", 0, 0, 0))

    def ask(self, kind, payload=b"", num=0):
        self.seq += 1
        seq = self.seq
        self.send(kind, payload, num, seq)
        self.until(lambda: seq in self.replies)
        answer, p = self.replies.pop(seq)
        if answer == "error":
            return "error %d %s" % (struct.unpack("<i", p[:4])[0], p[4:].split(b"\0")[0].decode())
        return p


def show(name, answer):
    if isinstance(answer, str):
        print(name, answer)
    elif name in ("create", "exec"):
        print(name, "ok", "pid %d" % struct.unpack("<II", answer)[1])
    elif name == "ping":
        print("ping", "ok" if struct.unpack("<Q", answer)[0] else "no time")
    elif answer:
        print(name, answer.decode(errors="replace"))
    else:
        print(name, "ok")


def create(c, cid, num, config, stdio="7", *opts):
    o = dict(x.split("=", 1) for x in opts)
    ns = bytes(int(x) for x in o.get("ns", "0,0,0,0,1,0,0,0").split(","))
    bpf = open(o["seccomp"], "rb").read() if "seccomp" in o else b""
    return c.ask("create", text(cid) + text("/bundle") + text(open(config).read()) + data(bpf) + struct.pack("<III", 0, 0, int(stdio)) +
                 struct.pack("<HHHH", 24, 80, 0, 0) + data(ns) + text(o.get("sandbox", "")), int(num))


def start_exec(c, cid, num, process, stdio="7", cgroup=""):
    return c.ask("exec", text(cid) + text(open(process).read()) + text(cgroup) + struct.pack("<I", int(stdio)) +
                 struct.pack("<HHHH", 24, 80, 0, 0), int(num))


def run(c, line):
    words = line.split(" ")
    op, a = words[0], words[1:]
    rest = line[len(op) + 1:]
    if op == "create":
        show(op, create(c, *a))
    elif op == "exec":
        show(op, start_exec(c, *a))
    elif op in ("start", "pause", "resume", "stats", "ps", "delete"):
        show(op, c.ask(op, text(a[0])))
    elif op == "kill":
        show(op, c.ask("kill", text(a[0]) + struct.pack("<I", int(a[2])), int(a[1])))
    elif op == "update":
        show(op, c.ask(op, text(a[0]) + text(line.split(" ", 2)[2])))
    elif op == "net":
        show(op, c.ask(op, text(rest)))
    elif op == "time":
        show(op, c.ask(op, struct.pack("<QI", int(a[0]), 0)))
    elif op in ("ping", "shutdown"):
        show(op, c.ask(op))
    elif op == "size":
        show(op, c.ask("resize", struct.pack("<HHHH", int(a[1]), int(a[2]), 0, 0), int(a[0])))
    elif op == "stdin":
        c.send("stdin", line.split(" ", 2)[2].encode().decode("unicode_escape").encode("latin1"), int(a[0]))
    elif op == "flood":
        try:
            for _ in range(int(a[1]) // 65536):
                c.send("stdin", b"x" * 65536, int(a[0]))
        except ConnectionError:
            pass  # "closed" tells
    elif op == "eof":
        c.send("stdin", b"", int(a[0]), 0, 2)
    elif op == "noread":
        c.noread.add(int(a[0]))
    elif op == "read":
        num = int(a[0])
        c.noread.discard(num)
        c.send("window", struct.pack("<II", TYPES["stdout"], len(c.out.get((num, "stdout"), b""))), num)
    elif op == "closeout":
        c.send("window", struct.pack("<II", TYPES["stdout"], 0), int(a[0]), 0, 2)
    elif op == "wait":
        num = int(a[0])
        c.until(lambda: num in c.exits)
        print("exit", num, "code %d signal %d" % c.exits[num][:2])
    elif op == "expect":
        want = line.split(" ", 2)[2].encode()
        c.until(lambda: want in c.out.get((int(a[0]), "stdout"), b""))
        print("seen", want.decode())
    elif op in ("out", "err"):
        key = (int(a[0]), "std" + op)
        c.until(lambda: key in c.eof)
        print(op, a[0], c.out.get(key, b"").decode(errors="replace").rstrip("\n"))
    elif op == "bytes":
        key = (int(a[0]), "stdout")
        c.until(lambda: key in c.eof)
        print("bytes", a[0], len(c.out.get(key, b"")))
    elif op == "sofar":
        print("sofar", a[0], len(c.out.get((int(a[0]), "stdout"), b"")))
    elif op == "event":
        c.until(lambda: any(e[0] == a[0] for e in c.events))
        print("had", a[0])
    elif op == "sleep":
        end = time.time() + float(a[0])
        while time.time() < end:
            c.pump(end - time.time())
    elif op == "time?":
        print("elapsed", "%.3f" % (time.time() - START))
    elif op == "raw":
        c.sock.sendall(bytes.fromhex(a[0]))
    elif op == "closed":
        try:
            c.until(lambda: False, 10)
        except (EOFError, ConnectionError):
            print("closed")
    elif op:
        raise ValueError("what is '%s'?" % op)


def tsc_khz():
    """The emulated clock is the host's, and this machine has nothing to measure it by."""
    return int(1000 * max(float(x.split(":")[1]) for x in open("/proc/cpuinfo") if x.startswith("cpu MHz")))


def cpu_ms(pid):
    try:
        f = open("/proc/%d/stat" % pid).read().rsplit(")", 1)[1].split()
        return (int(f[11]) + int(f[12])) * 1000 // os.sysconf("SC_CLK_TCK")
    except OSError:
        return 0


def timeline(path, pid, start):
    """PATH.times: for each byte of the boot timeline the milliseconds since QEMU was started, by the clock and of its CPU time."""
    seen = 0
    with open(path + ".times", "w", buffering=1) as out:
        while True:
            marks = open(path).read()
            for c in marks[seen:]:
                out.write("%s %d %d\n" % (c, (time.time() - start) * 1000, cpu_ms(pid)))
            seen = len(marks)
            time.sleep(0.001)


def machine(kernel, initramfs, share):
    work = tempfile.mkdtemp(prefix="guestctl.")
    fsock, csock, mem = work + "/fs", work + "/ctl", os.environ.get("MEM", "256")
    procs = [subprocess.Popen(["/usr/lib/qemu/virtiofsd", "--socket-path=" + fsock, "-o", "source=" + share, "-o", "cache=auto", "-o", "xattr",
                               "-f"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)]
    while not os.path.exists(fsock):
        time.sleep(0.01)
    cmd = ["qemu-system-x86_64", "-M", "microvm,acpi=on,rtc=on,pit=off,pic=off,isa-serial=on,x-option-roms=off,memory-backend=mem", "-accel", "tcg,tb-size=64", "-cpu", "max", "-global", "virtio-mmio.force-legacy=false",
           "-m", mem, "-smp", os.environ.get("CPUS", "1"), "-object", "memory-backend-memfd,id=mem,share=on,size=%sM" % mem,
           "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-serial", "file:" + work + "/console",
           "-kernel", kernel, "-initrd", initramfs,
           "-append", "console=ttyS0 panic=-1 " + os.environ.get("QUIET", "quiet") + " random.trust_cpu=on mitigations=off no_timer_check tsc=reliable tsc_early_khz=%d nokaslr cryptomgr.notests " % tsc_khz() + os.environ.get("APPEND", ""),
           "-device", "virtio-serial-device", "-chardev", "socket,id=c,path=%s,server=on,wait=on" % csock,
           "-device", "virtserialport,chardev=c,name=brig", "-device", "virtio-rng-device",
           "-chardev", "socket,id=fs,path=" + fsock, "-device", "vhost-user-fs-device,chardev=fs,tag=brig"]
    if os.environ.get("NET"):
        cmd += ["-netdev", "user,id=n,restrict=on", "-device", "virtio-net-device,netdev=n,mac=52:54:00:12:34:56"]
    if os.environ.get("STAGES"):
        open(os.environ["STAGES"], "w").close()
        cmd += ["-debugcon", "file:" + os.environ["STAGES"]]
    procs.append(subprocess.Popen(cmd, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=open(work + "/qemu", "w")))
    if os.environ.get("STAGES"):
        threading.Thread(target=timeline, args=(os.environ["STAGES"], procs[-1].pid, time.time()), daemon=True).start()
    sock = socket.socket(socket.AF_UNIX)
    for _ in range(500):
        try:
            sock.connect(csock)
            break
        except OSError:
            time.sleep(0.01)
    return sock, procs, work


def process(program, share):
    ours, theirs = socket.socketpair()
    proc = subprocess.Popen([program, "--fd", str(theirs.fileno()), "--share", share], pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL)
    theirs.close()
    return ours, [proc], None


START = time.time()


def main():
    global START
    sys.stdout.reconfigure(line_buffering=True)
    sock, procs, work = (machine if sys.argv[1] == "machine" else process)(*sys.argv[2:])
    START = time.time()
    good = False
    try:
        c = Channel(sock)
        if not os.environ.get("NOHELLO"):
            c.hello()
        for line in sys.stdin:
            line = line.rstrip("\n")
            if line and not line.startswith("#"):
                run(c, line)
        if not os.environ.get("NOHELLO"):
            try:
                c.ask("shutdown")
            except (EOFError, ConnectionError, BrokenPipeError, TimeoutError):
                pass
        sock.close()
        procs[-1].wait(10)
        print("ended", procs[-1].returncode)
        good = True
    except (TimeoutError, EOFError, OSError, subprocess.TimeoutExpired) as e:
        print("failed:", e)
    finally:
        sock.close()
        if not good and not work:
            try:
                procs[-1].wait(5)  # it ends its containers
            except subprocess.TimeoutExpired:
                pass
        for p in procs:
            if p.poll() is None:
                p.kill()
                p.wait()
        if work:
            if not good:
                for f in ("console", "qemu"):
                    if os.path.exists(work + "/" + f):
                        sys.stdout.write(open(work + "/" + f, errors="replace").read())
            shutil.rmtree(work, ignore_errors=True)
    return 0 if good else 1


sys.exit(main())
