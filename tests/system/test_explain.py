#!/usr/bin/python3
"""rxfer explain: the verdict is what is published, and the place that it names is where the address stands."""
import contextlib
import json
import os
import socket
import threading

from lib import env, runner
from lib.explain import ExplainCase
from lib.postfix import Postfix
from lib.wait import wait_for


class Places(ExplainCase):
    def test_each_kind_of_source(self):
        for kind in ("hash", "btree", "lmdb", "cdb"):
            self.postmap(kind, f"in-{kind}", f"# first\nIn-{kind}@example.com x\n")
        self.postmap("hash", "alias-index", "# first\nIndexed: x\n", "postalias")
        self.write("text", "# first\n\nOther@example.com x,\n  goes on\nIn-Text@Example.com x\nin-text@example.com y\n")
        self.write("texthash", "In-Texthash@example.com x\n")
        self.write("aliases", "# first\nfirst: x,\n y\n\"Odd Name\": x\nSecond: x\n")
        lists = self.write("lists", "#!/bin/sh\nprintf 'one@example.com\\n\\nIn-Command@example.com  \\n'\n")
        os.chmod(lists, 0o755)
        sources = [f'source "{kind}" {{ map = "{kind}:{self.path("in-" + kind)}" }}'
                   for kind in ("hash", "btree", "lmdb", "cdb")]
        sources += [f'source "text" {{ map = "{self.path("text")}" }}',
                    f'source "texthash" {{ map = "texthash:{self.path("texthash")}" }}',
                    f'source "aliases" {{ aliases = "{self.path("aliases")}"  domains = {{ "example.com" }} }}',
                    f'source "index" {{ aliases = "hash:{self.path("alias-index")}"  domains = {{ "example.com" }} }}',
                    f'source "command" {{ command = "{lists}" }}']
        self.pair_of("\n".join(sources)).start()
        wait_for(lambda: self.pair.master.status()["zones"][0]["recipients"] > 0, 20, self.pair.logs)
        for kind, file in (("hash", "in-hash.db"), ("btree", "in-btree.db"), ("lmdb", "in-lmdb.lmdb"),
                           ("cdb", "in-cdb.cdb")):
            self.assertEqual(self.places(f"in-{kind}@example.com"),
                             [(kind, file, 0, f"in-{kind}@example.com", "there")])
        self.assertEqual(self.places("in-text@example.com"), [("text", "text", 5, "In-Text@Example.com", "there")])
        self.assertEqual(self.places("other@example.com"), [("text", "text", 3, "Other@example.com", "there")])
        self.assertEqual(self.places("in-texthash@example.com"),
                         [("texthash", "texthash", 1, "In-Texthash@example.com", "there")])
        self.assertEqual(self.places("second@example.com"), [("aliases", "aliases", 5, "second", "there")])
        self.assertEqual(self.places('"odd name"@example.com'), [("aliases", "aliases", 4, "odd name", "there")])
        self.assertEqual(self.places("indexed@example.com"), [("index", "alias-index.db", 0, "indexed", "there")])
        self.assertEqual(self.places("in-command@example.com"),
                         [("command", "", 3, "In-Command@example.com", "there")])
        # Valid in every source of aliases, and in none of their lines.
        self.assertEqual(sorted(self.places("postmaster@example.com")),
                         [("aliases", "aliases", 0, "", "there"), ("index", "alias-index.db", 0, "", "there")])
        self.assertEqual(self.zone("nobody@example.com").get("not_published"), None)

    def test_in_several_sources(self):
        self.write("a", "x@example.com 1\nboth@example.com 1\n")
        self.write("b", "both@example.com 1\n@example.org 1\n")
        self.pair_of(f'source "a" {{ map = "{self.path("a")}" }}  source "b" {{ map = "{self.path("b")}" }}').start()
        self.pair.wait_keys({"x@example.com", "both@example.com"})
        self.assertEqual(sorted(self.places("both@example.com")), [("a", "a", 2, "both@example.com", "there"),
                                                                   ("b", "b", 1, "both@example.com", "there")])
        self.assertEqual(self.places("any@example.org", "@example.org"), [("b", "b", 2, "@example.org", "there")])

    def test_since_which_serial(self):
        self.write("a", "x@example.com 1\n")
        self.pair_of(f'settle_ms = 20  source "a" {{ map = "{self.path("a")}" }}').start()
        self.pair.wait_keys({"x@example.com"})
        self.write("a", "x@example.com 1\ny@example.com 1\n")
        self.pair.wait_keys({"x@example.com", "y@example.com"})
        zone = self.zone("y@example.com")
        self.assertEqual((zone["lookups"][0]["since"], zone["domain"]["since"], zone["serial"]), (2, 1, 2))
        self.assertEqual(self.zone("x@example.com")["lookups"][0]["since"], 1)
        self.wait_for_answer("y@example.com", lambda z: z["replicas"] == [{"replica": "mx2", "serial": 2, "has": True}],
                             "the backup has told that it serves it")
        self.pair.replica.stop()
        self.write("a", "x@example.com 1\ny@example.com 1\nz@example.com 1\n")
        self.wait_for_answer("z@example.com", lambda z: z["verdict"] == "accept", "z is published")
        self.assertEqual(self.zone("z@example.com")["replicas"], [{"replica": "mx2", "serial": 2, "has": False}])
        self.assertEqual(self.zone("y@example.com")["replicas"][0]["has"], True)
        self.assertEqual(self.zone("nobody@example.com")["replicas"][0]["has"], None)
        self.pair.replica.start()


class Changes(ExplainCase):
    """What is published decides, and what has changed since is told."""

    def one(self, text="x@example.com 1\ny@example.com 1\n", zone="settle_ms = 10000  min_shrink = 1", source=""):
        self.write("a", text)
        os.utime(self.path("a"), (1, 1))
        self.pair_of(f'{zone}  source "a" {{ map = "{self.path("a")}" {source} }}').start()
        self.pair.wait_keys({"x@example.com", "y@example.com"})

    def test_added_and_not_read_yet(self):
        self.one()
        self.rewrite("a", "x@example.com 1\ny@example.com 1\nz@example.com 1\n")
        zone = self.zone("z@example.com")
        self.assertEqual(zone["verdict"], "refuse")
        self.assertIn('source "a" has z@example.com now: a change that is about to be read', zone["not_published"])
        self.assertEqual(self.places("z@example.com"), [("a", "a", 3, "z@example.com", "there")])

    def test_removed_and_not_read_yet(self):
        self.one()
        self.rewrite("a", "x@example.com 1\n")
        self.assertEqual(self.zone("y@example.com")["verdict"], "accept")
        self.assertEqual(self.places("y@example.com"), [("a", "a", 0, "", "gone")])

    def test_the_source_is_gone(self):
        self.one()
        os.unlink(self.path("a"))
        zone = self.zone("y@example.com")
        self.assertEqual(zone["verdict"], "accept")
        place = zone["lookups"][0]["places"][0]
        self.assertEqual(place["state"], "unreadable")
        self.assertIn("No such file", place["sentence"])
        zone = self.zone("nobody@example.com")
        self.assertEqual(zone["verdict"], "refuse")
        self.assertIn('source "a" may have it, but can\'t be read', zone["not_published"])

    def test_a_held_deletion(self):
        self.one(zone="settle_ms = 20  min_shrink = 0  max_shrink_percent = 10")
        self.write("a", "x@example.com 1\n")
        self.wait_for_answer("y@example.com", lambda z: "its deletion is held" in z["lookups"][0].get("held", ""),
                             "the deletion is held")
        zone = self.zone("y@example.com")
        self.assertEqual(zone["verdict"], "accept")
        self.assertIn("rxfer approve example", zone["lookups"][0]["held"])
        self.assertNotIn("places", zone["lookups"][0])
        self.assertNotIn("held", self.zone("x@example.com")["lookups"][0])
        self.assertEqual(self.pair.master.rxfer("approve", "example")[0], 0)
        self.assertEqual(self.zone("y@example.com")["verdict"], "refuse")

    def test_a_deletion_that_waits_for_a_sick_source(self):
        self.write("b", "b@example.com 1\n")
        self.write("a", "x@example.com 1\ny@example.com 1\n")
        self.pair_of(f'settle_ms = 20  min_shrink = 10  source "a" {{ map = "{self.path("a")}" }}'
                     f'  source "b" {{ map = "{self.path("b")}"  interval = 1 }}').start()
        self.pair.wait_keys({"x@example.com", "y@example.com", "b@example.com"})
        os.unlink(self.path("b"))
        wait_for(lambda: self.pair.master.rxfer("status")[0] == 1, 20, "the source is sick")
        self.write("a", "x@example.com 1\n")
        self.wait_for_answer("y@example.com", lambda z: 'source "b" may: ' in z["lookups"][0].get("held", ""),
                             "the deletion waits")

    def test_kept_out_by_the_configuration(self):
        self.write("a", "x@example.com 1\nroot@example.com 1\nx@example.org 1\n")
        self.pair_of(f'domains = {{ "example.com" }}  exclude = {{ "root@example.com" }}  '
                     f'source "a" {{ map = "{self.path("a")}" }}').start()
        self.pair.wait_keys({"x@example.com"})
        self.assertIn("`exclude` names it", self.zone("root@example.com")["not_published"])
        self.assertEqual(self.zone("root@example.com")["verdict"], "refuse")
        zone = self.zone("x@example.org")
        self.assertEqual(zone["verdict"], "foreign")
        self.assertIn("`domains` don't name example.org", zone["not_published"])
        self.assertIn("`domains` don't name example.net", self.zone("x@example.net")["not_published"])

    def test_before_the_first_publication(self):
        self.write("a", "x@example.com 1\n")
        self.pair_of(f'source "a" {{ map = "{self.path("a")}" }}  source "b" {{ map = "{self.path("b")}" }}').start()
        zone = self.wait_for_answer("x@example.com", lambda z: "No such file" in z["sentence"] and z, "what is missing")
        zone = self.zone("x@example.com")
        self.assertEqual((zone["verdict"], zone["serial"], zone["epoch"]), ("defer", 0, ""))
        self.assertIn('source "a" has x@example.com, and nothing is published yet', zone["not_published"])
        self.assertEqual(self.zone("x@example.com", self.pair.replica)["verdict"], "defer")
        self.write("b", "y@example.com 1\n")
        self.pair.master.rxfer("refresh", "example")
        self.pair.wait_keys({"x@example.com", "y@example.com"})
        self.assertEqual(self.zone("x@example.com")["verdict"], "accept")


class Slow(ExplainCase):
    """Readings that take their time, and what happens meanwhile."""

    def slow(self, timeout=2, count=1):
        """Commands that are quick for the zone, and hang once there's a file `hang`."""
        seen = self.path("seen")
        script = self.write("list", f'#!/bin/sh\necho "$1@example.com"\necho "+ $1" >> {seen}\n'
                            f'while [ -e {self.path("hang")} ]; do sleep 0.05; done\necho "- $1" >> {seen}\n')
        os.chmod(script, 0o755)
        sources = "".join(f'source "s{n}" {{ command = "exec {script} u{n}"  interval = 86400  timeout = {timeout} }}\n'
                          for n in range(count))
        self.pair_of(sources).start()
        self.pair.wait_keys({f"u{n}@example.com" for n in range(count)})
        with open(self.path("hang"), "w", encoding="utf-8"):
            pass
        os.unlink(self.path("seen"))

    def seen(self):
        try:
            with open(self.path("seen"), encoding="utf-8") as f:
                return f.read().splitlines()
        except FileNotFoundError:
            return []

    def ask_beside(self, address, results):
        def ask():
            results.append(self.explain(address))
        thread = threading.Thread(target=ask)
        thread.start()
        self.addCleanup(thread.join)
        return thread

    def test_a_hanging_source(self):
        self.slow()
        place = self.zone("u0@example.com")["lookups"][0]["places"][0]
        self.assertEqual(place["state"], "unreadable")
        self.assertIn("not done after 2000 ms", place["sentence"])
        answer = self.explain("u0@example.com")
        self.assertEqual(answer["verdict"], "accept")

    def test_brief_reads_nothing(self):
        self.slow(timeout=60)
        with contextlib.closing(self.connect("explain\tu0@example.com\tbrief")) as s:
            answer = json.loads(s.makefile().read().splitlines()[1])
        self.assertEqual(answer["verdict"], "accept")
        self.assertNotIn("places", answer["zones"][0]["lookups"][0])
        self.assertEqual(self.seen(), [])

    def connect(self, line):
        s = socket.socket(socket.AF_UNIX)
        s.settimeout(20)
        s.connect(self.pair.master.socket)
        s.sendall(line.encode() + b"\n")
        return s

    def test_at_most_four_at_a_time(self):
        self.slow(timeout=60, count=6)
        results = []
        threads = [self.ask_beside("nobody@example.com", results) for _ in range(2)]
        wait_for(lambda: len(self.seen()) == 4, 20, lambda: f"four readings, not {self.seen()}")
        self.assertEqual(self.pair.master.status()["zones"][0]["recipients"], 6)     # it's awake
        os.unlink(self.path("hang"))
        for thread in threads:
            thread.join()
        self.assertEqual([r["verdict"] for r in results], ["refuse", "refuse"])
        running = most = 0
        for line in self.seen():
            running += 1 if line[0] == "+" else -1
            most = max(most, running)
        self.assertEqual((len(self.seen()), running), (24, 0))
        self.assertEqual(most, 4)

    def test_a_client_that_goes_away(self):
        self.slow(timeout=60, count=2)
        with contextlib.closing(self.connect("explain\tnobody@example.com")):
            wait_for(lambda: len(self.seen()) == 2, 20, "the readings are under way")
        os.unlink(self.path("hang"))
        wait_for(lambda: len(self.seen()) == 4, 20, "they end")
        self.assertEqual(self.explain("u1@example.com")["verdict"], "accept")

    def test_a_reload_and_an_end_meanwhile(self):
        self.slow(timeout=60, count=2)
        results = []
        thread = self.ask_beside("u1@example.com", results)
        wait_for(lambda: len(self.seen()) == 1, 20, "the reading is under way")
        self.pair.master_text = self.pair.master_text.replace('source "s1"', 'source "other"')
        self.pair.write()
        self.pair.master.reload()
        thread.join(20)
        place = results[0]["zones"][0]["lookups"][0]["places"][0]
        self.assertEqual(place["state"], "unreadable")
        self.assertIn("read its configuration again", place["sentence"])
        with contextlib.closing(self.connect("explain\tnobody@example.com")):
            wait_for(lambda: len(self.seen()) >= 3, 20, "a reading is under way")
            self.pair.master.stop()
        self.pair.master.start()


class MadeOfAPostfix(ExplainCase):
    def start(self, **settings):
        self.postmap("hash", "aliases", "root: x\n", "postalias")
        self.write("vmailbox", "# none\nBox@vm.example x\nbare x\nrl@rl.example x\ngone@vm.example x\n")
        self.primary = Postfix("primary", self.folder, {
            "mydestination": "lo.example", "virtual_alias_domains": "va.example", "myorigin": "vm.example",
            "virtual_mailbox_domains": "vm.example", "relay_domains": "rl.example", "recipient_delimiter": "+",
            "local_recipient_maps": f"unix:passwd.byname inline:{{ local=x }} $alias_maps", "relay_recipient_maps": "",
            "alias_maps": f"hash:{self.path('aliases')}", "virtual_alias_maps": "inline:{ alias@va.example=x }",
            "virtual_mailbox_maps": f"texthash:{self.path('vmailbox')}",
            "transport_maps": "inline:{ gone@vm.example=error:gone }", **settings})
        self.pair_of(f'postfix {{ config_directory = "{self.primary.config}"  '
                     f'command_directory = "{env.postfix().bin}" }}', domains=("*",)).start()
        wait_for(lambda: "box@vm.example" in (self.pair.keys() or ()), 20, self.pair.logs)

    def test_classes_and_places(self):
        self.start()
        cases = {
            "local@lo.example": ("local", [("local", 0, "", "inline:{ local=x }")]),
            "bin@lo.example": ("local", [("bin", 0, "", "unix:passwd.byname")]),
            "root+x@lo.example": ("local", [("root", 0, "", "unix:passwd.byname"), ("root", 0, "aliases.db", None)]),
            "alias@va.example": ("virtual alias", [("alias@va.example", 0, "", None)]),
            "box@vm.example": ("virtual mailbox", [("Box@vm.example", 2, "vmailbox", None)]),
            "bare@vm.example": ("virtual mailbox", [("bare", 3, "vmailbox", None)]),
        }
        for address, (cls, wanted) in cases.items():
            with self.subTest(address):
                zone = self.zone(address)
                self.assertEqual((zone["verdict"], zone["domain"]["class"]), ("accept", cls))
                found = next(x for x in zone["lookups"] if x["found"])
                places = sorted(found["places"], key=lambda p: p["file"])
                self.assertEqual([(p["key"], p["line"], os.path.basename(p["file"])) for p in places],
                                 [w[:3] for w in wanted])
                for place, want in zip(places, wanted):
                    self.assertIn(want[3] or place["map"], place["map"])
        self.assertEqual(self.zone("box@vm.example")["params"]["recipient_delimiter"], "+")

    def test_what_stands_in_no_table(self):
        self.start()
        for name in ("postmaster", "mailer-daemon", "double-bounce"):
            place = self.zone(f"{name}@lo.example")["lookups"][0]["places"][0]
            self.assertEqual((place["state"], os.path.basename(place["file"])), ("there", "main.cf"))
            self.assertIn("always valid", place["sentence"])
        zone = self.zone("any+x@rl.example")
        self.assertEqual(zone["verdict"], "accept")
        self.assertEqual(zone["lookups"][-1]["key"], "@rl.example")
        self.assertIn("relay_recipient_maps is empty", zone["lookups"][-1]["places"][0]["sentence"])

    def test_what_is_taken_away_or_not_asked_for(self):
        self.start(relay_recipient_maps="inline:{ relay@rl.example=x }")
        zone = self.zone("gone@vm.example")
        self.assertEqual(zone["verdict"], "refuse")
        self.assertIn("transport_maps or relocated_maps take it away", zone["not_published"])
        zone = self.zone("rl@rl.example")
        self.assertEqual(zone["verdict"], "refuse")
        self.assertIn("doesn't ask it about addresses of this class", zone["not_published"])
        self.assertEqual(self.zone("x@elsewhere.example")["verdict"], "foreign")


class AtTheBackup(ExplainCase):
    def test_zones_tables_and_domains(self):
        self.write("a", "x@example.com 1\n@example.org 1\n")
        self.pair_of(f'settle_ms = 20  source "a" {{ map = "{self.path("a")}" }}')
        self.pair.master.start()
        self.pair.replica.start()
        self.pair.wait_keys({"x@example.com"})
        zone = self.zone("X@Example.com", self.pair.replica)
        self.assertEqual((zone["verdict"], zone["freshness"]), ("accept", "fresh"))
        tables = {t["table"]: (t["holds"], t["state"], t["has"]) for t in zone["tables"]}
        self.assertEqual(tables, {"relay_recipients": ("recipients", "ok", True),
                                  "relay_domains": ("domains", "ok", True)})
        zone = self.zone("x@example.org", self.pair.replica)
        self.assertEqual(zone["verdict"], "foreign")
        self.assertIn("replica.conf doesn't name it", zone["sentence"])
        self.assertEqual([t["has"] for t in zone["tables"]], [False, False])
        zone = self.zone("nobody@example.com", self.pair.replica)
        self.assertEqual((zone["verdict"], [t["has"] for t in zone["tables"]]), ("refuse", [False, True]))

    def test_before_the_first_transfer(self):
        self.write("a", "x@example.com 1\n")
        self.pair_of(f'source "a" {{ map = "{self.path("a")}" }}')
        self.pair.replica.start()
        zone = self.zone("x@example.com", self.pair.replica)
        self.assertEqual((zone["verdict"], zone["freshness"], zone["tables"][0]["state"]), ("defer", "empty", "absent"))
        self.pair.master.start()
        self.pair.wait_keys({"x@example.com"})
        self.assertEqual(self.zone("x@example.com", self.pair.replica)["verdict"], "accept")

    def test_expired_and_open(self):
        self.write("a", "x@example.com 1\n")
        self.pair_of(f'refresh = 1  retry = 1  expire = 2  source "a" {{ map = "{self.path("a")}" }}')
        self.pair.replica_text = self.pair.replica_text.replace(
            'zone "example" {', 'zone "example" { on_expire = "accept" ')
        self.pair.write()
        self.pair.start()
        self.pair.wait_keys({"x@example.com"})
        self.assertEqual(self.zone("nobody@example.com", self.pair.replica)["verdict"], "refuse")
        self.pair.master.kill()
        self.pair.wait_keys({"x@example.com", "@example.com"})
        zone = self.zone("nobody@example.com", self.pair.replica)
        self.assertEqual((zone["verdict"], zone["freshness"], zone["tables"][0]["has"]), ("accept", "expired", True))
        self.assertIn("on_expire", zone["sentence"])

    def test_a_table_that_cannot_be_written(self):
        self.write("a", "x@example.com 1\n")
        self.pair_of(f'settle_ms = 20  source "a" {{ map = "{self.path("a")}" }}').start()
        self.pair.wait_keys({"x@example.com"})
        table = self.pair.replica.table()
        os.makedirs(table + ".db.tmp/in-the-way")
        self.write("a", "x@example.com 1\ny@example.com 1\n")

        def waits():
            zone = self.zone("y@example.com", self.pair.replica)
            return zone["verdict"] == "accept" and zone["tables"][0]["state"] == "failed" and zone
        zone = wait_for(waits, 20, self.pair.logs)
        self.assertFalse(zone["tables"][0]["has"])
        self.assertNotEqual(zone["tables"][0]["error"], "")
        self.assertTrue(self.zone("x@example.com", self.pair.replica)["tables"][0]["has"])


class Odd(ExplainCase):
    def test_what_is_no_address(self):
        self.write("a", "x@example.com 1\n")
        self.pair_of(f'source "a" {{ map = "{self.path("a")}" }}').start()
        self.pair.wait_keys({"x@example.com"})
        for daemon in (self.pair.master, self.pair.replica):
            for address, said in (("alice", "no domain"), ("postmaster", "accepts postmaster alone"), ("", "empty"),
                                  ("a\tb@example.com", "TAB"), ("a\nb@example.com", "line end"),
                                  ("alice@", "no domain"), ("a\x1b[2Jb@example.com", "control character"),
                                  ("x" * 4096 + "@example.com", "too long"),
                                  ("x" * 3000 + "@example.com", "longer than 1000 bytes"),
                                  ('"open@example.com', "quote")):
                with self.subTest(address[:40]):
                    status, out, err = daemon.rxfer("explain", "--", address)
                    self.assertEqual((status, out), (2, ""), err)
                    self.assertIn(said, err)
                    self.assertTrue(all(c.isprintable() or c == "\n" for c in err), err)
            status, _, err = daemon.rxfer("explain")
            self.assertEqual(status, 2)
            self.assertIn("usage: rxfer explain ADDRESS", err)
            self.assertEqual(daemon.rxfer("explain", "a@b", "c@d")[0], 2)
        self.assertEqual(self.pair.master.rxfer("explain", "x@example.com")[0], 0)

    def test_text_for_eyes(self):
        self.write("a", "# one\nX@Example.com 1\n")
        self.pair_of(f'source "a" {{ map = "{self.path("a")}" }}').start()
        self.pair.wait_keys({"x@example.com"})
        status, out, err = self.pair.master.rxfer("explain", "x@example.com")
        self.assertEqual((status, err), (0, ""))
        self.assertTrue(out.startswith("x@example.com: accepted: x@example.com is listed\n  zone example, serial 1; "),
                        out)
        self.assertIn(f'{self.path("a")}:2: "X@Example.com" (source a)', " ".join(out.split()))

    def test_two_zones(self):
        self.write("a", "x@example.com 1\n")
        self.write("b", "y@example.com 1\n")
        self.pair_of(f'source "a" {{ map = "{self.path("a")}" }}')
        self.pair.master_text += f'zone "second" {{ source "b" {{ map = "{self.path("b")}" }} }}\n'
        self.pair.write()
        self.pair.master.start()
        wait_for(lambda: all(z["recipients"] for z in self.pair.master.status()["zones"]), 20, self.pair.logs)
        answer = self.explain("y@example.com")
        self.assertEqual((answer["verdict"], [z["verdict"] for z in answer["zones"]]), ("accept", ["refuse", "accept"]))
        self.assertEqual(self.explain("z@example.com")["verdict"], "refuse")


if __name__ == "__main__":
    runner.main()
