"""What SECURITY.md says is so: of the binary, and each of its sentences by a test that shows it."""

import json
import re
import subprocess
import urllib.parse

import pytest

from penstock import JWT_KEY, OPERATOR_TOKEN, PROGRAM, ROOT, buyer_token, request

# Each sentence of the sections "What is trusted, and what is not" and "How it is built" (of the
# table: each cell), by its beginning, and the tests that show it. LEFT: it says what is not
# protected against. ADVICE: it promises nothing.
LEFT, ADVICE = ("left",), ("advice",)
CLAIMS = {
    "every byte: the reader is strict and bounded": (
        *("test_malformed_header_lines_are_refused", "test_the_bounds_of_a_head_are_those_that_were_set"),
        *("test_bytes_that_drip_are_cut_at_the_deadline", "test_slow_requests_are_timed_out", "test_a_full_outbox_is_overload"),
        "test_what_has_waited_too_long_is_turned_away_and_retries_are_not",
    ),
    "the orders of the token's `sub`": ("test_another_buyers_order_is_unknown",),
    "other buyers' orders (they are `404`)": ("test_another_buyers_order_is_unknown", "test_limit_and_rate_count_over_all_gates"),
    "the scopes it was given": ("test_operators_have_scopes",),
    "the other scopes; what is done": ("test_operators_have_scopes", "test_the_log_tells_who_did_what_and_is_chained"),
    "a proxy in `gate.trusted_proxies` (never all": ("test_everybody_is_no_trusted_proxy",),
    "the client's address (`X-Forwarded-For`": (
        *("test_the_client_is_the_rightmost_that_is_not_trusted", "test_the_proxy_protocol", "test_a_buyer_who_is_named_twice_is_nobody"),
        "test_behind_the_proxy_protocol_the_proxy_vouches_for_the_buyer_and_no_client_does",
    ),
    "nothing: the operator listener answers": ("test_the_operators_listener_answers_to_its_own_names",),
    "everything": LEFT,
    "nothing: ledger, lease and keys are 0600": (
        *("test_files_are_nobody_elses_whatever_the_umask", "test_file_that_others_may_write_is_refused"),
        "test_a_crash_leaves_no_keys_behind_unless_it_is_asked_for",
    ),
    "a flag's value": LEFT,
    "what they keep: whoever administers one": LEFT,
    "Who has bought is nobody's business.": ("test_nobody_learns_from_an_answer_who_has_bought",),
    "A sale that refuses new orders": ("test_nobody_learns_from_an_answer_who_has_bought",),
    "The check costs time": LEFT,
    "Each such probe that hits": (
        *("test_a_spent_budget_tells_nobody_who_has_bought", "test_an_address_has_so_many_failures_in_a_window"),
        *("test_the_networks_of_a_48_share_a_larger_budget", "test_the_machine_itself_has_no_budget_of_failed_identities"),
    ),
    "Names without an order": LEFT,
    "A proxy that limits requests per address": ("test_one_address_has_its_share_and_others_have_theirs",),
    "No client takes the shop": (
        *("test_one_address_does_not_take_the_shop", "test_streams_have_a_budget_for_each_address", "test_failed_identities_are_limited_by_address"),
        "test_a_server_without_file_descriptors_serves_those_that_it_has",
    ),
    "A wrong operator's token": ("test_wrong_operators_tokens_are_seen_and_slowed_and_keep_nobody_out",),
    "What is left: whoever has more addresses": LEFT,
    "The algorithm of a token is pinned": ("test_the_algorithm_is_the_settings_and_not_the_tokens", "test_a_public_key_is_no_hmac_secret"),
    "Operators' tokens are kept as hashes.": ("test_the_settings_entry_leads_back_to_the_operator", "test_each_operator_is_known_by_the_token"),
    "An operator listener on an address": ("test_a_public_operator_listener_needs_a_token",),
    "Secrets come from the settings file": (
        *("test_secret_comes_from_a_file_by_every_way", "test_no_secret_is_in_the_log_or_a_metric", "test_no_password_of_a_url_is_told"),
        "test_config_tells_what_is_in_force_and_hides_secrets",
    ),
    "What comes from outside is escaped in logs.": ("test_json_line_escapes_what_comes_from_outside", "test_text_line_quotes_and_escapes_odd_values"),
    "Names of buyers are hashed": ("test_64_bits_match_the_reference_vectors", "test_key_matters", "test_values_of_one_hash_are_all_found"),
    "TLS ends at a proxy": ("test_a_purchase_over_tls",),
    "On a network that is not yours": ADVICE,
    "One way to be told": LEFT,
    "(A gate whose clock goes on while it is frozen": ("test_a_gate_takes_a_masters_word_only_while_a_replica_follows_it",),
    "Keep a gate and the master off one host": ADVICE,
    "The operator log's chain shows": (
        *("test_changed_log_row_is_caught", "test_removed_log_row_is_caught", "test_removed_end_of_the_log_is_caught"),
    ),
    "It cannot show that all of it": LEFT,
    "PIE, full RELRO": (
        *("test_the_program_is_position_independent_with_full_relro", "test_the_program_checks_its_stack_and_its_copies"),
        "test_the_compiler_is_asked_for_what_a_binary_does_not_show",
    ),
    "Fuzzed under ASan and UBSan": ("test_what_is_said_to_be_fuzzed_has_a_target",),
    "Every sentence of these two sections": ("test_each_claim_has_its_tests",),
    "The pages' libraries are pinned": ("test_the_pages_libraries_have_their_hashes", "test_the_pages_name_nothing_of_other_hosts"),
}


def sentences(text):
    text = re.sub(r"\s+", " ", text).strip()
    return [part for part in re.split(r"(?:(?<=[.!?])|(?<=[.!?]\)))\s+(?=[A-Z(])", text) if part]


def claims_of(document):
    """
    The sentences of the two sections. Of a row: who is meant, where that cell says more than a
    name, and the cells behind it.
    """
    found = []
    for block in re.split(r"\n(?=\n|- |\|)", document[document.index("## What is trusted") :]):
        block = block.strip()
        if block.startswith(("## ", "| --- ", "| who |")):
            continue
        if block.startswith("|"):
            who, *cells = [cell.strip() for cell in block.strip("|").split("|")]
            found += [who] * ("(" in who) + [cell for cell in cells if cell not in ("", "nothing")]
        else:
            found += sentences(block.removeprefix("- "))
    return found


def all_tests():
    names = set()
    for path in (ROOT / "tests").rglob("test_*.*"):
        if path.suffix in (".c", ".py"):
            names |= set(re.findall(r"(?:def|static void) (test_\w+)", path.read_text()))
    for path in (ROOT / "tests/contract").glob("*.c"):
        names |= set(re.findall(r"(?:void|TEST)\W*(test_\w+)", path.read_text()))
    return names


def test_each_claim_has_its_tests():
    claims = claims_of((ROOT / "SECURITY.md").read_text())
    assert len(claims) > 30
    unknown = [claim for claim in claims if not any(claim.startswith(start) for start in CLAIMS)]
    assert not unknown, "SECURITY.md says what has no test: give CLAIMS its tests, or take it out"
    gone = [start for start in CLAIMS if not any(claim.startswith(start) for claim in claims)]
    assert not gone, "SECURITY.md does not say this any more"
    tests = all_tests()
    missing = [name for names in CLAIMS.values() if names not in (LEFT, ADVICE) for name in names if name not in tests]
    assert not missing, "tests that are not there"


def test_what_is_said_to_be_fuzzed_has_a_target():
    said = next(claim for claim in claims_of((ROOT / "SECURITY.md").read_text()) if claim.startswith("Fuzzed under"))
    targets = {
        **{"the HTTP reader": "http", "llhttp": "http_llhttp", "the router": "router", "`X-Forwarded-For`": "forwarded"},
        **{"`traceparent`": "trace", "bodies": "body", "tokens": "token", "settings": "settings", "events": "event"},
        "replies of Redis": "redis_reply",
    }
    rest = said
    for words, target in targets.items():
        assert words in said and (ROOT / f"tests/fuzz/fuzz_{target}.c").exists(), words
        rest = rest.replace(words, "")
    assert not re.sub(r"Fuzzed under ASan and UBSan \(`make fuzz`\):|also against|and|[ ,.]", "", rest), "something without a target"
    assert {path.stem.removeprefix("fuzz_") for path in (ROOT / "tests/fuzz").glob("fuzz_*.c")} == set(targets.values())


def test_the_pages_libraries_have_their_hashes():
    packages = json.loads((ROOT / "ui/package-lock.json").read_text())["packages"]
    libraries = [entry for name, entry in packages.items() if name]
    assert libraries and all(entry.get("integrity", "").startswith("sha512-") for entry in libraries)


def test_the_compiler_is_asked_for_what_a_binary_does_not_show():
    commands = PROGRAM.parent / "compile_commands.json"
    if not commands.exists():
        pytest.skip("the program is not in the folder that it was built in")
    ours = [entry["command"] for entry in json.loads(commands.read_text()) if entry["file"].endswith("src/main.c")]
    assert ours
    for flag in ("-fstack-protector-strong", "-fstack-clash-protection", "-D_FORTIFY_SOURCE=3"):
        assert all(flag in command for command in ours), flag


def test_no_secret_is_in_the_log_or_a_metric(serve):
    server = serve({"log.level": "debug"})
    server.make_sale("drop", 5)
    good, forged = buyer_token("anna"), buyer_token("eve", key="another secret that has enough bytes")
    assert server.buy("drop", None, token=good).status == 202
    assert server.buy("drop", None, token=forged).status == 401
    assert server.operate("GET", "/v1/sales", token="not the operator's own token").status == 401
    metrics = request(server.operator, "GET", "/metrics").body.decode()
    server.stop()
    for secret in (JWT_KEY, OPERATOR_TOKEN, good, forged, "not the operator's own token"):
        for part in (secret, urllib.parse.quote(secret), secret.rsplit(".", 1)[-1]):
            assert part not in server.log() and part not in metrics


def readelf(option):
    return subprocess.run(["readelf", "-W", option, str(PROGRAM)], capture_output=True, text=True, check=True).stdout


def test_the_program_is_position_independent_with_full_relro():
    assert re.search(r"Type:\s+DYN", readelf("-h"))
    assert "GNU_RELRO" in readelf("-l")
    assert re.search(r"\bNOW\b", readelf("-d"))
    assert re.search(r"GNU_STACK.* RW ", readelf("-l"))


def test_the_program_checks_its_stack_and_its_copies():
    symbols = readelf("--dyn-syms")
    assert "__stack_chk_fail" in symbols
    assert re.search(r"__(snprintf|memcpy|read)_chk", symbols)
