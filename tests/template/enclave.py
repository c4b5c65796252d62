"""Become a command in a network without any route: `unshare --net python3 enclave.py COMMAND [ARGUMENT...]`.

Only the machine itself can be reached, as Jupyter's server and kernels need it.
"""

import fcntl
import os
import socket
import struct
import sys

SET_FLAGS, UP = 0x8914, 1  # SIOCSIFFLAGS and IFF_UP of Linux


def main() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, SET_FLAGS, struct.pack("16sh14x", b"lo", UP))
    try:
        socket.create_connection(("192.0.2.1", 443), timeout=5)
    except OSError as error:
        if "unreachable" not in str(error):
            sys.exit(f"There is a route out of here: {error}")
    else:
        sys.exit("There is a route out of here")
    os.execvp(sys.argv[1], sys.argv[1:])


if __name__ == "__main__":
    main()
