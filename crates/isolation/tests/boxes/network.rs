//! What a box reaches of the network.

use crate::support::*;
use std::net::TcpListener;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};

fn connect_to(port: u16) -> String {
    format!(
        "import socket\n\
         try: socket.create_connection(('127.0.0.1', {port})); print('connected')\n\
         except OSError as error: print(type(error).__name__)"
    )
}

#[test]
fn the_loopback_of_the_host_is_reached_only_with_its_network() {
    let Some(host) = host_with(FULL) else { return };
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let connect = python(&connect_to(listener.local_addr().unwrap().port()));
    assert_eq!(run(&host, &connect).1, "PermissionError\n");
    assert_eq!(run(&host, &networked(connect)).1, "connected\n");
}

#[test]
fn without_network_the_namespace_holds_even_without_filters() {
    let Some(host) = host_with(FULL) else { return };
    let host = host.without(sluice_isolation::Feature::Seccomp).without(sluice_isolation::Feature::Landlock);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let connect = python(&connect_to(listener.local_addr().unwrap().port()));
    assert_eq!(run(&host, &connect).1, "OSError\n");
    assert_eq!(run(&host, &shell("grep -c : /proc/net/dev")).1, "1\n");
}

#[test]
fn only_unix_sockets_can_be_made_without_network() {
    let Some(host) = host_with(FULL) else { return };
    let script = "import socket\n\
        for name in ('AF_INET', 'AF_INET6', 'AF_NETLINK', 'AF_PACKET', 'AF_UNIX'):\n\
        \x20 try: socket.socket(getattr(socket, name), socket.SOCK_DGRAM); print(name)\n\
        \x20 except PermissionError: pass\n\
        socket.socketpair()";
    assert_eq!(run(&host, &python(script)).1, "AF_UNIX\n");
    assert_eq!(run(&host, &networked(python(script))).1, "AF_INET\nAF_INET6\nAF_NETLINK\nAF_UNIX\n");
}

#[test]
fn abstract_sockets_of_the_host_are_out_of_reach_with_its_network() {
    let Some(host) = host_with(FULL) else { return };
    let name = format!("sluice-test-{}", std::process::id());
    let _listener = UnixListener::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
    let script = format!(
        "import socket\n\
         try: socket.socket(socket.AF_UNIX).connect('\\0{name}'); print('connected')\n\
         except PermissionError: print('denied')"
    );
    assert_eq!(run(&host, &networked(python(&script))).1, "denied\n");
    let open = host.without(sluice_isolation::Feature::Landlock);
    assert_eq!(run(&open, &networked(python(&script))).1, "connected\n");
}
