"""Two processes at one address: the second is refused, unless that is meant."""

import urllib.parse


def test_a_second_server_at_the_same_address_is_refused(serve):
    first = serve({"gate.threads": 3})
    port = urllib.parse.urlsplit(first.public).port
    second = serve({"gate.listen": f"127.0.0.1:{port}"}, wait=False)
    assert second.wait(20) == 1
    second.await_log("another process does there")


def test_servers_share_an_address_where_both_say_so(serve):
    first = serve({"process.share_ports": "on"})
    port = urllib.parse.urlsplit(first.public).port
    second = serve({"process.share_ports": "on", "gate.listen": f"127.0.0.1:{port}"})
    assert urllib.parse.urlsplit(second.public).port == port
