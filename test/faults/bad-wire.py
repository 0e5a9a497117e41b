"""Carries IP packets between this machine and a network namespace, late and with losses.

python3 bad-wire.py NAMESPACE NEAR FAR MILLISECONDS PERCENT BYTES_PER_SECOND

It makes a TUN device NEAR here, and FAR in the namespace, and prints "ready"; its starter gives them routes. Each packet waits for
half of the milliseconds on its way, in both directions, and every packet is lost with the same probability. Both directions have the same
bandwidth, and a queue of a second; what does not fit is lost too. The devices go when it ends, and it ends with its standard
input. It needs root and no module of the kernel.
"""
import ctypes
import fcntl
import os
import random
import select
import struct
import sys
import time

TUNSETIFF, IFF_TUN, IFF_NO_PI, CLONE_NEWNET = 0x400454CA, 1, 0x1000, 0x40000000
LARGEST = 65536


def tun(name):
    device = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(device, TUNSETIFF, struct.pack("16sH", name.encode(), IFF_TUN | IFF_NO_PI))
    return device


def enter(namespace):
    file = os.open(f"/run/netns/{namespace}", os.O_RDONLY)
    if ctypes.CDLL(None, use_errno=True).setns(file, CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), f"setns {namespace}")


class Direction:
    """One way of the wire: the packets that are on it, with the time of their arrival."""

    def __init__(self, source, target, delay, loss, rate):
        self.source, self.target, self.delay, self.loss, self.rate = source, target, delay, loss, rate
        self.free = 0.0
        self.packets = []

    def take(self, now):
        try:
            packet = os.read(self.source, LARGEST)
        except OSError:  # the device is down
            return
        if packet[0] >> 4 != 4:  # what a kernel says by itself on a new device, by IPv6
            return
        queued = max(0.0, self.free - now)
        if random.random() < self.loss or queued > 1:
            return
        self.free = now + queued + len(packet) / self.rate
        self.packets.append((self.free + self.delay, packet))

    def deliver(self, now):
        while self.packets and self.packets[0][0] <= now:
            try:
                os.write(self.target, self.packets.pop(0)[1])
            except OSError:
                pass

    def next(self):
        return self.packets[0][0] if self.packets else float("inf")


namespace, near, far = sys.argv[1:4]
milliseconds, percent, rate = map(float, sys.argv[4:7])
here = tun(near)
enter(namespace)
there = tun(far)
line = (milliseconds / 2000, percent / 100, rate)
ways = [Direction(here, there, *line), Direction(there, here, *line)]
print("ready", flush=True)
while True:
    first = min(way.next() for way in ways)
    readable, _, _ = select.select([here, there, 0], [], [], max(0.0, min(first - time.monotonic(), 3600)))
    if 0 in readable:  # the process that started this one is gone
        break
    now = time.monotonic()
    for way in ways:
        if way.source in readable:
            way.take(now)
        way.deliver(now)
