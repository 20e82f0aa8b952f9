"""Runs a command on a terminal of its own and plays the person at it.

on_a_terminal.py STEPS COMMAND…   where STEPS are lines of
  wait TEXT      until the terminal has shown it
  raw            until keys go to the command as they are: Ctrl-C is no signal any more
  type TEXT      \\n is Enter, \\x03 is Ctrl-C
  size ROWS COLS
Prints what the terminal showed and "exit CODE" (negative for a signal).
"""
import codecs, fcntl, os, pty, select, signal, struct, sys, termios, time

DEADLINE = time.monotonic() + 60
steps = [line.partition(" ")[::2] for line in sys.argv[1].split("\n") if line]
child, terminal = pty.fork()
if child == 0:
    os.execvp(sys.argv[2], sys.argv[2:])
shown = b""


def size(rows, columns):
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


def read(patience):
    global shown
    if not select.select([terminal], [], [], patience)[0]:
        return True
    try:
        data = os.read(terminal, 65536)
    except OSError:
        data = b""
    shown += data
    return bool(data)


def finish(note=""):
    sys.stdout.write(shown.decode(errors="replace") + note)
    sys.stdout.flush()


for verb, text in steps:
    if verb == "wait":
        while text.encode() not in shown:
            if time.monotonic() > DEADLINE or not read(1):
                finish("\nnever shown: " + text + "\n")
                os.kill(child, signal.SIGKILL)
                sys.exit(1)
    elif verb == "raw":
        while termios.tcgetattr(terminal)[3] & termios.ISIG and time.monotonic() < DEADLINE:
            read(0.05)  # nobody is told of it
    elif verb == "type":
        os.write(terminal, codecs.decode(text, "unicode_escape").encode())
    elif verb == "size":
        size(*map(int, text.split()))
while time.monotonic() < DEADLINE and read(1):
    pass
_, status = os.waitpid(child, 0)
finish("\nexit %d\n" % os.waitstatus_to_exitcode(status))
