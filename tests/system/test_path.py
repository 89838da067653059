#!/usr/bin/python3
"""The whole path on real Postfix: what changes in the primary's maps shows in the backup's SMTP replies."""
import os
import subprocess

from lib import env, runner, smtp
from lib.postfix import Postfix
from lib.rxfer import Pair, run
from lib.wait import wait_for


class Path(runner.TestCase):
    """A map on the primary, both daemons, and a backup Postfix that reads the replica's tables."""

    def primary_map(self, keys, name="virtual", kind="hash"):
        """Writes and postmaps a map of the primary; returns its path."""
        self.primary.write_map(os.path.join(self.folder, name), keys, kind)
        return os.path.join(self.folder, name)

    def set_up_primary(self, **main_cf):
        self.primary = Postfix("primary", self.folder, main_cf)

    def start_pair(self, pair):
        self.pair = pair
        self.addCleanup(pair.stop)
        pair.start()
        return pair

    def start_backup(self, **main_cf):
        """Waits for the first tables, then starts the backup's Postfix over them."""
        wait_for(lambda: self.pair.keys() and self.pair.keys("relay_domains"), 20,
                 lambda: f"the first tables\n{self.pair.logs()}")
        self.backup = self.running(Postfix("backup", self.folder, {
            "relay_domains": self.pair.table("relay_domains"),
            "relay_recipient_maps": self.pair.table(), **main_cf}))

    def verdict(self, address):
        return smtp.code(self.backup.port, address)

    def wait_verdict(self, address, code, seconds=20):
        wait_for(lambda: self.verdict(address) == code, seconds,
                 lambda: f"{code} for {address}, which gets {self.verdict(address)}\n{self.pair.logs()}")

    def usual(self, keys, **main_cf):
        """A hash map as the only source, everything running."""
        self.set_up_primary()
        path = self.primary_map(keys)
        self.start_pair(Pair(self.folder, f'map = "hash:{path}"'))
        self.start_backup(**main_cf)
        return path

    def test_add_and_delete(self):
        self.usual(["alice@example.com", "bob@example.com"])
        self.assertEqual(self.verdict("alice@example.com"), 250)
        self.assertEqual(self.verdict("ALICE@Example.COM"), 250)
        self.assertEqual(self.verdict("carol@example.com"), 550)
        self.assertEqual(self.verdict("alice@elsewhere.example"), 554)
        self.primary_map(["alice@example.com", "bob@example.com", "Carol@Example.com"])
        self.wait_verdict("carol@example.com", 250)
        self.primary_map(["alice@example.com", "carol@example.com"])
        self.wait_verdict("bob@example.com", 550)
        self.assertEqual(self.verdict("alice@example.com"), 250)

    def test_same_verdict_as_the_primary(self):
        keys = ["alice@example.com", "o'neil@example.com", '"john doe"@example.com', "x+y@example.com"]
        self.set_up_primary(virtual_alias_domains="example.com",
                            virtual_alias_maps=f"hash:{self.folder}/virtual")
        path = self.primary_map({key: "somebody@example.net" for key in keys})
        self.running(self.primary)
        self.start_pair(Pair(self.folder, f'map = "hash:{path}"'))
        self.start_backup()
        for address in keys + ["mallory@example.com", '"john  doe"@example.com', "x@example.com", "X+Y@EXAMPLE.com"]:
            with self.subTest(address):
                self.assertEqual(self.verdict(address), smtp.code(self.primary.port, address))

    def test_primary_down_backup_still_knows(self):
        self.set_up_primary(virtual_alias_domains="example.com")
        path = self.primary_map(["alice@example.com"])
        self.running(self.primary)
        self.start_pair(Pair(self.folder, f'map = "hash:{path}"'))
        self.start_backup()
        self.primary.stop()
        self.pair.master.stop()
        self.assertEqual(self.verdict("alice@example.com"), 250)
        self.assertEqual(self.verdict("carol@example.com"), 550)

    def test_ten_thousand_at_once(self):
        old = [f"old{n}@example.com" for n in range(10000)] + ["stays@example.com"]
        new = [f"new{n}@example.com" for n in range(10000)] + ["stays@example.com"]
        path = self.usual(old)
        self.assertEqual(self.verdict("old77@example.com"), 250)
        self.primary_map(new)
        # Additions don't wait; so large a deletion is held, and nobody loses mail meanwhile.
        self.wait_verdict("new9999@example.com", 250)
        self.assertEqual(self.verdict("old77@example.com"), 250)
        wait_for(lambda: self.pair.master.status()["zones"][0]["held_deletions"] == 10000, 20, "10000 held deletions")
        code, out, _ = self.pair.master.rxfer("status")
        self.assertEqual(code, 1, out)
        self.assertIn("rxfer approve example", out)
        code, out, err = self.pair.master.rxfer("approve", "example")
        self.assertEqual(code, 0, out + err)
        self.pair.wait_keys(new)
        self.assertEqual(self.verdict("old77@example.com"), 550)
        self.assertEqual(self.verdict("stays@example.com"), 250)
        self.assertTrue(os.path.exists(path))

    def test_catch_all(self):
        self.usual(["@example.com", "alice@example.org"])
        self.pair.replica_text = self.pair.replica_text.replace('"example.com"', '"example.com", "example.org"')
        self.pair.write()
        self.pair.replica.reload()
        self.wait_verdict("alice@example.org", 250)
        self.assertEqual(self.verdict("anybody@example.com"), 250)
        self.assertEqual(self.verdict("anybody@example.org"), 550)
        self.assertEqual(self.verdict("anybody@sub.example.com"), 550)

    def test_alias_in_two_sources(self):
        self.set_up_primary()
        first = self.primary_map(["both@example.com", "one@example.com"], "first")
        second = self.primary_map(["both@example.com", "two@example.com"], "second")
        pair = Pair(self.folder, f'map = "hash:{first}"')
        pair.master_text = pair.master_text.replace(
            'source "map"', f'source "second" {{ map = "hash:{second}" }}\n\tsource "map"')
        pair.write()
        self.start_pair(pair)
        self.start_backup()
        self.primary_map(["one@example.com"], "first")
        pair.master.rxfer("refresh", "example")
        self.primary_map(["one@example.com", "new@example.com"], "first")
        self.wait_verdict("new@example.com", 250)
        self.assertEqual(self.verdict("both@example.com"), 250)
        self.primary_map(["two@example.com"], "second")
        self.wait_verdict("both@example.com", 550)
        self.assertEqual(self.verdict("one@example.com"), 250)
        self.assertEqual(self.verdict("two@example.com"), 250)

    def test_address_moves_between_sources(self):
        """From one that is read at once to one that settles, and to a command that nobody tells about: never away."""
        names = {name: os.path.join(self.folder, name) for name in ("quick", "slow", "command")}
        others = [f"other{n}@example.com" for n in range(30)]

        def write(name, keys, rename):
            path = names[name] + (".new" if rename else "")
            with open(path, "w", encoding="utf-8") as f:
                f.writelines(f"{key}{'' if name == 'command' else ' x'}\n" for key in keys)
            if rename:
                os.rename(path, names[name])

        write("quick", others + ["first@example.com", "second@example.com"], True)
        write("slow", ["slow@example.com"], True)
        write("command", ["command@example.com"], True)
        pair = Pair(self.folder, f'map = "{names["quick"]}"', zone=f"""settle_ms = 1000
            source "slow" {{ map = "{names["slow"]}" }}
            source "command" {{ command = "cat {names["command"]}"  interval = 3600 }}""")
        self.start_pair(pair)
        keys = {*others, "first@example.com", "second@example.com", "slow@example.com", "command@example.com"}
        pair.wait_keys(keys)
        write("slow", ["slow@example.com", "first@example.com"], False)
        write("command", ["command@example.com", "second@example.com"], True)
        write("quick", others + ["sign@example.com"], True)

        def sees(address):
            present = pair.keys()
            self.assertLessEqual(keys, present, "an address that moved was away")
            return address in present
        wait_for(lambda: sees("sign@example.com"), 20, "the reading of the quick source")
        write("slow", ["slow@example.com", "first@example.com", "end@example.com"], False)
        wait_for(lambda: sees("end@example.com"), 20, "the reading of the slow source")
        write("quick", others[1:] + ["sign@example.com"], True)
        pair.wait_keys((keys | {"sign@example.com", "end@example.com"}) - {others[0]})

    def test_a_change_in_one_source_reads_that_source_alone(self):
        paths = {kind: os.path.join(self.folder, kind) for kind in ("hash", "lmdb", "text")}

        def write(kind, keys):
            with open(paths[kind] + ".new", "w", encoding="utf-8") as f:
                f.writelines(f"{key} x\n" for key in keys)
            if kind != "text":
                subprocess.run([os.path.join(env.postfix().bin, "postmap"), f"{kind}:{paths[kind]}.new"], check=True)
            suffix = {"hash": ".db", "lmdb": ".lmdb", "text": ""}[kind]
            os.rename(paths[kind] + ".new" + suffix, paths[kind] + suffix)

        def reads():
            return {s["name"]: s["read"] for s in pair.master.status()["zones"][0]["sources"]}

        keys = {kind: [f"{kind}{n}@example.com" for n in range(20)] for kind in paths}
        for kind, listed in keys.items():
            write(kind, listed)
        others = "\n".join(f'source "{kind}" {{ map = "{kind}:{paths[kind]}" }}' for kind in ("hash", "lmdb"))
        pair = Pair(self.folder, f'map = "{paths["text"]}"', zone=others)
        self.start_pair(pair)
        pair.wait_keys(sum(keys.values(), []))
        for kind, name in (("text", "map"), ("hash", "hash"), ("lmdb", "lmdb")):
            for change in (keys[kind].append, keys[kind].remove):
                before = reads()
                change(f"more.{kind}@example.com")
                write(kind, keys[kind])
                pair.wait_keys(sum(keys.values(), []))
                self.assertEqual([n for n, read in reads().items() if read != before[n]], [name])

    def test_extension_addresses(self):
        self.usual(["alice@example.com", "bob+lists@example.com"], recipient_delimiter="+")
        self.assertEqual(self.verdict("alice+anything@example.com"), 250)
        self.assertEqual(self.verdict("bob+lists@example.com"), 250)
        self.assertEqual(self.verdict("bob+other@example.com"), 550)
        self.assertEqual(self.verdict("bob@example.com"), 550)

    def test_domain_that_the_replica_does_not_allow(self):
        self.usual(["alice@example.com", "eve@victim.example"])
        self.assertEqual(self.verdict("alice@example.com"), 250)
        self.assertEqual(self.verdict("eve@victim.example"), 554)
        self.assertEqual(self.pair.keys(), {"alice@example.com"})
        self.assertEqual(self.pair.keys("relay_domains"), {"example.com"})
        zone = self.pair.replica.status()["zones"][0]
        self.assertEqual(zone["refused_records"], 2)
        code, out, _ = self.pair.replica.rxfer("status")
        self.assertEqual(code, 1, out)
        self.assertIn("victim.example", out)

    def test_every_kind_of_source(self):
        """hash, btree, lmdb, cdb, text, an alias file, an alias index, a command: all in one zone."""
        self.set_up_primary()
        sources, expected = "", set()
        for kind in ("hash", "btree", "lmdb", "cdb"):
            if kind in self.primary.where.types:
                path = self.primary_map([f"In-{kind}@Example.com"], f"map-{kind}", kind)
                sources += f'source "{kind}" {{ map = "{kind}:{path}" }}\n'
                expected.add(f"in-{kind}@example.com")
        text = os.path.join(self.folder, "text")
        with open(text, "w", encoding="utf-8") as f:
            f.write("# comment\nIn-Text@example.com\n  value on the next line\n")
        aliases = os.path.join(self.folder, "aliases")
        with open(aliases, "w", encoding="utf-8") as f:
            f.write("In-Alias: root\n")
        index = os.path.join(self.folder, "aliases2")
        with open(index, "w", encoding="utf-8") as f:
            f.write("in-alias-index: root\n")
        self.primary.command("postalias", f"hash:{index}")
        sources += (f'source "text" {{ map = "{text}" }}\n'
                    f'source "alias" {{ aliases = "{aliases}"  domains = {{ "example.com" }} }}\n'
                    f'source "alias-index" {{ aliases = "hash:{index}"  domains = {{ "example.com" }} }}\n'
                    'source "command" { command = "printf \'In-Command@example.com\\\\n\'" }\n')
        expected |= {"in-text@example.com", "in-alias@example.com", "in-alias-index@example.com",
                     "in-command@example.com", "postmaster@example.com", "mailer-daemon@example.com",
                     "double-bounce@example.com"}
        pair = Pair(self.folder, "SOURCES")
        pair.master_text = pair.master_text.replace('source "map" { SOURCES }', sources)
        pair.write()
        self.start_pair(pair)
        pair.wait_keys(expected)
        code, out, err = run("check", "-c", pair.master.config)
        self.assertEqual(code, 0, out + err)

    def test_watching_survives(self):
        """Rewrite in place, rename over, delete and create, a symbolic link changed, the folder replaced."""
        self.set_up_primary()
        folder = os.path.join(self.folder, "maps")
        os.mkdir(folder)
        link = os.path.join(folder, "current")
        with open(os.path.join(folder, "a"), "w", encoding="utf-8") as f:
            f.write("one@example.com x\n")
        os.symlink("a", link)
        self.start_pair(Pair(self.folder, f'map = "{link}"  interval = 3600', zone="settle_ms = 20"))
        self.pair.wait_keys({"one@example.com"})
        with open(os.path.join(folder, "a"), "w", encoding="utf-8") as f:
            f.write("one@example.com x\nrewritten@example.com x\n")
        self.pair.wait_keys({"one@example.com", "rewritten@example.com"})
        with open(os.path.join(folder, "tmp"), "w", encoding="utf-8") as f:
            f.write("one@example.com x\nrenamed@example.com x\n")
        os.rename(os.path.join(folder, "tmp"), os.path.join(folder, "a"))
        self.pair.wait_keys({"one@example.com", "renamed@example.com"})
        os.unlink(os.path.join(folder, "a"))
        with open(os.path.join(folder, "a"), "w", encoding="utf-8") as f:
            f.write("one@example.com x\ncreated@example.com x\n")
        self.pair.wait_keys({"one@example.com", "created@example.com"})
        with open(os.path.join(folder, "b"), "w", encoding="utf-8") as f:
            f.write("one@example.com x\nlinked@example.com x\n")
        os.symlink("b", os.path.join(folder, "new"))
        os.rename(os.path.join(folder, "new"), link)
        self.pair.wait_keys({"one@example.com", "linked@example.com"})
        os.rename(folder, folder + ".old")
        os.mkdir(folder)
        with open(link, "w", encoding="utf-8") as f:
            f.write("one@example.com x\nreplaced@example.com x\n")
        self.pair.wait_keys({"one@example.com", "replaced@example.com"})
        with open(link, "a", encoding="utf-8") as f:
            f.write("again@example.com x\n")
        self.pair.wait_keys({"one@example.com", "replaced@example.com", "again@example.com"})


if __name__ == "__main__":
    runner.main()
