"""Sessions with asyncssh: scenario host port user key hostkey. Prints "ok" at the end; an assertion that fails ends it with a trace."""
import asyncio
import sys

import asyncssh

LIMIT = 60


async def until(process, text, seen=""):
    while text not in seen:
        chunk = await asyncio.wait_for(process.stdout.read(4096), LIMIT)
        assert chunk, f"ended without {text!r}: {seen!r}"
        seen += chunk
    return seen[seen.index(text) + len(text):]


async def shell(connection):
    process = await connection.create_process(term_type="vt100", term_size=(91, 33), env={"PS1": "x"})
    process.stdin.write("PS1=; stty -echo; echo be''gin\n")
    await until(process, "begin\r\n")
    return process


async def terminal(connection):
    """Size, resize with SIGWINCH, Ctrl-C, job control, end of file by key, exit status of a login shell."""
    process = await shell(connection)
    process.stdin.write("stty size; echo $TERM; [ -t 0 ] && [ -t 2 ] && echo on-a-tty; echo \"$0\"\n")
    seen = await until(process, "on-a-tty\r\n")
    rest = await until(process, "\r\n", seen)
    process.stdin.write("trap 'echo winch' WINCH; echo re''ady\n")
    await until(process, "ready\r\n", rest)
    process.change_terminal_size(120, 44)
    process.stdin.write("stty size; echo do''ne\n")
    rest = await until(process, "44 120\r\n")
    rest = await until(process, "done\r\n", rest)
    process.stdin.write("sh -c \"echo st''arted; exec sleep 300\"; echo after $?\n")
    rest = await until(process, "started\r\n", rest)
    process.stdin.write("\x03")
    process.stdin.write("echo inter''rupted\n")
    await until(process, "interrupted\r\n", rest)
    process.stdin.write("set -m; sh -c \"echo ag''ain; exec sleep 301\"\n")
    await until(process, "again\r\n")
    process.stdin.write("\x1a")
    process.stdin.write("jobs; kill %1; echo stop''ped\n")
    rest = await until(process, "exec sleep 301")
    await until(process, "stopped\r\n", rest)
    process.stdin.write("sh -c \"echo re''ading; exec cat\"; echo cat $?\n")
    await until(process, "reading\r\n")
    process.stdin.write("\x04")
    await until(process, "cat 0\r\n")
    process.stdin.write("exit 9\n")
    done = await asyncio.wait_for(process.wait(), LIMIT)
    assert done.exit_status == 9, done


async def redraw(connection):
    """Full-screen programs draw at the size the terminal has."""
    process = await shell(connection)
    process.stdin.write("seq 200 | less\n")
    rest = await until(process, "\r\n32")
    process.change_terminal_size(91, 12)
    process.stdin.write("G")
    await until(process, "200", rest)
    process.stdin.write("q")
    process.stdin.write("exit\n")
    assert (await asyncio.wait_for(process.wait(), LIMIT)).exit_status == 0


async def hangup(connection):
    """A terminal that goes takes its programs with it; where there is none they stay, and the channel's close is answered when they end."""
    process = await shell(connection)
    process.stdin.write("sleep 30.125 & echo pid $!; wait\n")
    rest = await until(process, "pid ")
    pid = int((await until_line(process, rest)).strip())
    process.close()
    await asyncio.wait_for(process.wait_closed(), LIMIT)
    check = f"i=0; while kill -0 {pid} 2>/dev/null && [ $i -lt 100 ]; do sleep 0.1; i=$((i+1)); done; kill -0 {pid} 2>/dev/null && echo alive || echo gone"
    assert (await connection.run(check, check=True)).stdout.strip() == "gone"
    process = await connection.create_process("sleep 30.25 & echo pid $!; wait")
    rest = await until(process, "pid ")
    pid = int((await until_line(process, rest)).strip())
    process.close()
    assert (await connection.run(f"sleep 0.5; kill -0 {pid} && echo alive; kill {pid}", check=True)).stdout.strip() == "alive"
    await asyncio.wait_for(process.wait_closed(), LIMIT)


async def until_line(process, seen):
    while "\n" not in seen:
        seen += await asyncio.wait_for(process.stdout.read(4096), LIMIT)
    return seen.split("\n")[0]


async def signals(connection):
    """Signals reach the program's whole group; what ends it is told by name."""
    process = await connection.create_process("trap 'echo got usr1' USR1; echo ready; while :; do sleep 0.1; done")
    rest = await until(process, "ready\n")
    process.send_signal("USR1")
    await until(process, "got usr1\n", rest)
    process.send_signal("TERM")
    done = await asyncio.wait_for(process.wait(), LIMIT)
    assert done.exit_signal and done.exit_signal[0] == "TERM", done.exit_signal
    process = await connection.create_process("echo ready; sleep 300; echo not reached")
    await until(process, "ready\n")
    process.send_signal("KILL")
    done = await asyncio.wait_for(process.wait(), LIMIT)
    assert done.exit_signal and done.exit_signal[0] == "KILL" and done.stdout == "", done
    process = await connection.create_process("kill -SEGV $$")
    assert (await asyncio.wait_for(process.wait(), LIMIT)).exit_signal[0] == "SEGV"


async def breaks(connection):
    """A break is taken on a terminal and refused without."""
    process = await shell(connection)
    process.send_break(100)
    process.stdin.write("exit\n")
    await asyncio.wait_for(process.wait(), LIMIT)


async def many(connection):
    """Sessions beside one another do not wait for each other; the eleventh is refused; freed places count again."""
    async def one(number):
        done = await connection.run(f"sleep 0.$(( {number} % 3 )); echo {number}; echo e{number} >&2; exit {number}")
        assert (done.stdout, done.stderr, done.exit_status) == (f"{number}\n", f"e{number}\n", number), done
    for _ in range(3):
        await asyncio.gather(*(one(number) for number in range(10)))
    held = [await connection.create_process("cat") for _ in range(10)]
    try:
        await connection.run("true")
        assert False, "an eleventh session was opened"
    except asyncssh.ChannelOpenError as refusal:
        assert (refusal.code, refusal.reason) == (2, "open failed"), refusal
    for process in held:
        process.stdin.write_eof()
        assert (await asyncio.wait_for(process.wait(), LIMIT)).exit_status == 0
    await one(7)


async def apart(connection):
    """Output and errors come apart and whole, and the program's input ends where the client's does."""
    text = "".join(f"line {number}\n" for number in range(40000))
    done = await connection.run("tee /dev/stderr; echo last >&2; exit 3", input=text)
    assert done.exit_status == 3 and done.stdout == text and done.stderr == text + "last\n", (done.exit_status, len(done.stdout), len(done.stderr))


async def files(connection):
    """SFTP by the subsystem."""
    async with connection.start_sftp_client() as sftp:
        folder = sys.argv[7]
        async with sftp.open(f"{folder}/written", "wb") as file:
            await file.write(b"abc" * 100000)
        async with sftp.open(f"{folder}/written", "rb") as file:
            assert await file.read() == b"abc" * 100000
        assert "written" in await sftp.listdir(folder)


async def main(scenario, host, port, user, key, host_key, *_):
    known_hosts = asyncssh.import_known_hosts(f"[{host}]:{port} {host_key}\n")
    async with asyncssh.connect(host, int(port), username=user, client_keys=[key], known_hosts=known_hosts, config=None, agent_path=None) as connection:
        await globals()[scenario](connection)
    print("ok")


asyncio.run(main(*sys.argv[1:]))
