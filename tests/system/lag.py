#!/usr/bin/python3
"""A link over which everything comes later: between a master and a replica that is far away.

  lag.py LISTENING_FD PORT SECONDS      passes bytes on to 127.0.0.1:PORT, each so long after it came

It is a process of its own: stopped it is a link that is cut without anybody knowing, killed it is one that is lost
with all that was under way.  On loopback nothing is ever under way.
"""
import asyncio
import pathlib
import signal
import socket
import sys


async def pass_on(reader, writer, delay):
    """All that comes, in its order; then the end."""
    loop, pending = asyncio.get_running_loop(), asyncio.Queue()

    async def write():
        while (item := await pending.get())[1]:
            await asyncio.sleep(item[0] - loop.time())
            writer.write(item[1])
            await writer.drain()
        writer.close()

    task = asyncio.create_task(write())
    try:
        while data := await reader.read(1 << 16):
            pending.put_nowait((loop.time() + delay, data))
    except ConnectionError:
        pass
    pending.put_nowait((0, b""))
    await asyncio.gather(task, return_exceptions=True)


async def serve(listener, port, delay):
    async def connected(near_reader, near_writer):
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            near_writer.close()
            return
        await asyncio.gather(pass_on(near_reader, far_writer, delay), pass_on(far_reader, near_writer, delay))

    server = await asyncio.start_server(connected, sock=listener)
    await server.serve_forever()


def make_link(folder, port, delay=0):
    """Started; a Server with a port."""
    from stack import Server

    class Link(Server):
        def partition(self):
            self.kill(signal.SIGSTOP)

        def mend(self):
            self.kill(signal.SIGCONT)

    link = Link(folder / "link.log")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        link.port = listener.getsockname()[1]
        link.spawn([sys.executable, pathlib.Path(__file__), listener.fileno(), port, delay], pass_fds=[listener.fileno()])
    return link


if __name__ == "__main__":
    asyncio.run(serve(socket.socket(fileno=int(sys.argv[1])), int(sys.argv[2]), float(sys.argv[3])))
