"""SIGKILL at any moment, a hundred times: what was told stays true."""

import subprocess
from contextlib import suppress
from random import Random

import pytest

from crowd import Crowd, new_seed

KILLS = 25


@pytest.mark.parametrize("part", range(4))
def test_what_was_told_stays_true_through_25_kills(serve, part):
    seed = new_seed(f"crash loop {part}")
    hold = [0, 1, 60, 1][part]
    server = serve({"sale.hold_grace": "0s", "gate.threads": 1 + part % 2})
    server.make_sale("drop", lots={"size-1": 900, "size-2": 300}, limit_per_buyer=2, hold_seconds=hold)
    crowd = Crowd(server, "drop", seed, buyers=800)
    for _ in range(KILLS):
        crowd.shop(crowd.random.uniform(0.01, 0.25), clients=16, then=server.process.kill)
        server.process.wait()
        if crowd.random.random() < 0.2:  # one that does not get as far as to be ready
            server.start(wait=False)
            with suppress(subprocess.TimeoutExpired):
                server.process.wait(crowd.random.uniform(0, 0.05))
            server.kill()
        server.restart()
    print(crowd.answers, "unanswered:", crowd.unanswered)
    assert crowd.unanswered >= KILLS, "the kills did not hit the crowd at work"
    assert crowd.answers["accepted"] >= 100
    crowd.ask_again([wish for wish in crowd.wishes if not wish.answers])
    crowd.assert_kept()
    server.stop()
    assert server.audit_ledger()[0] == 0


def test_a_ledger_can_be_proved_while_its_server_is_dead(serve):
    server = serve()
    server.make_sale("drop", 500, limit_per_buyer=2)
    crowd = Crowd(server, "drop", new_seed("dead"))
    for _ in range(3):
        crowd.shop(0.1, then=server.process.kill)
        server.process.wait()
        code, text = server.audit_ledger()
        assert code == 0, text
        crowd.check_ledger()
        assert not crowd.faults
        server.restart()
    crowd.assert_kept()


def test_deaths_during_the_first_start(serve):
    random = Random(new_seed("first start"))
    server = serve(wait=False)
    for _ in range(30):
        with suppress(subprocess.TimeoutExpired):
            server.process.wait(random.uniform(0, 0.03))
        assert server.process.poll() is None, server.log()
        server.kill()
        server.start(wait=False)
    server.wait_ready()
    server.make_sale("drop", 5)
    assert server.buy("drop", "anna").status == 202
    server.audit()
