//! The program as a process: its command line, its sockets, its durability.
