#!/usr/bin/python3
"""A zone that is a Postfix: what it accepts is found out, followed, and never guessed."""
import os
import time

from lib import env, runner, smtp
from lib.postfix import Postfix
from lib.rxfer import Pair, run
from lib.wait import wait_for

FOUR = {"mydestination": "lo.example", "virtual_alias_domains": "va.example", "virtual_mailbox_domains": "vm.example",
        "relay_domains": "rl.example", "recipient_delimiter": "+", "local_recipient_maps": "inline:{local=x}",
        "virtual_alias_maps": "inline:{alias@va.example=x}", "virtual_mailbox_maps": "inline:{box@vm.example=x}",
        "relay_recipient_maps": "inline:{relay@rl.example=x}"}
ALWAYS = {f"{name}@lo.example" for name in ("postmaster", "mailer-daemon", "double-bounce", '""')}
MEMBERS = {"local@lo.example", "alias@va.example", "box@vm.example", "relay@rl.example"} | ALWAYS


class PostfixZone(runner.TestCase):
    """The primary's configuration is never touched by Postfix's daemons here, only read by its commands."""

    def start(self, settings=None, zone="", section="", before=None):
        self.primary = Postfix("primary", self.folder, {**FOUR, **(settings or {})})
        if before:
            before()
        pair = self.pair = Pair(self.folder, "", domains=("*",), zone=zone)
        where = f'config_directory = "{self.primary.config}"  command_directory = "{env.postfix().bin}"'
        pair.master_text = pair.master_text.replace('source "map" {  }', f"postfix {{ {where}  {section} }}")
        pair.write()
        self.addCleanup(pair.stop)
        pair.start()

    def change(self, **settings):
        """main.cf as it would be two seconds after the change; put there whole."""
        self.primary.main_cf.update(settings)
        self.primary.write_config()

    def wait_status(self, text, seconds=20):
        def said():
            return " ".join(self.pair.master.rxfer("status")[1].split())
        wait_for(lambda: text in said(), seconds, lambda: f"{text!r} in the status\n{said()}\n{self.pair.logs()}")
        return said()

    def master_keys(self):
        return {line.split()[1] for line in self.pair.master.list("example") if line.startswith("RCPT ")}

    def test_what_it_accepts(self):
        self.start()
        self.pair.wait_keys(MEMBERS)
        lines = self.pair.master.list("example")
        for line in ("PARAM recipient_delimiter +", "PARAM smtputf8_enable yes", "PARAM owner_request_special yes",
                     "PARAM allow_min_user no"):
            self.assertIn(line, [" ".join(x.split()) for x in lines])

    def test_main_cf_changes(self):
        self.start()
        self.pair.wait_keys(MEMBERS)
        self.change(relay_domains="rl.example, new.example",
                    relay_recipient_maps="inline:{relay@rl.example=x, relay@new.example=x}")
        self.pair.wait_keys(MEMBERS | {"relay@new.example"})
        self.change(relay_domains="new.example")
        self.pair.wait_keys((MEMBERS | {"relay@new.example"}) - {"relay@rl.example"})

    def test_master_cf_changes(self):
        self.start()
        self.pair.wait_keys(MEMBERS)
        path = os.path.join(self.primary.config, "master.cf")
        with open(path, encoding="utf-8") as f:
            text = f.read()
        option = "\n -o { virtual_mailbox_maps = inline:{box@vm.example=x more@vm.example=x} }"
        with open(path + ".new", "w", encoding="utf-8") as f:
            f.write(text.replace("- - smtpd", f"- - smtpd{option}", 1))
        os.rename(path + ".new", path)
        self.pair.wait_keys(MEMBERS | {"more@vm.example"})

    def test_a_table_of_domains_and_a_file_of_domains_change(self):
        table, names = (os.path.join(self.folder, name) for name in ("table", "names"))

        def before():
            self.primary.write_map(table, ["one.example"])
            with open(names, "w", encoding="utf-8") as f:
                f.write("two.example\n")
        recipients = " ".join(f"u@{n}.example=x" for n in ("one", "two", "three", "four"))
        self.start({"relay_domains": f"hash:{table} {names}", "relay_recipient_maps": f"inline:{{{recipients}}}"},
                   before=before)
        ours = MEMBERS - {"relay@rl.example"}
        self.pair.wait_keys(ours | {"u@one.example", "u@two.example"})
        self.primary.write_map(table, ["one.example", "three.example"])
        self.pair.wait_keys(ours | {"u@one.example", "u@two.example", "u@three.example"})
        with open(names, "a", encoding="utf-8") as f:
            f.write("four.example\n")
        self.pair.wait_keys(ours | {f"u@{n}.example" for n in ("one", "two", "three", "four")})

    def test_a_change_in_a_map_reads_that_map_alone(self):
        virtual, other = (os.path.join(self.folder, name) for name in ("virtual", "other"))

        def before():
            self.primary.write_map(virtual, ["a@vm.example"])
            self.primary.write_map(other, ["b@vm.example"])
        self.start({"virtual_mailbox_maps": f"hash:{virtual} hash:{other}"}, before=before)
        ours = MEMBERS - {"box@vm.example"}
        self.pair.wait_keys(ours | {"a@vm.example", "b@vm.example"})

        def reads():
            return {s["name"]: s["read"] for s in self.pair.master.status()["zones"][0]["sources"]}
        first = reads()
        self.primary.write_map(virtual, ["a@vm.example", "c@vm.example"])
        self.pair.wait_keys(ours | {"a@vm.example", "b@vm.example", "c@vm.example"})
        self.assertEqual({name for name, read in reads().items() if read != first[name]},
                         {f"virtual_mailbox_maps hash:{virtual}"})

    def test_a_pipemap_follows_its_members(self):
        first, second = (os.path.join(self.folder, name) for name in ("first", "second"))

        def before():
            self.primary.write_map(first, {"a@vm.example": "x", "b@vm.example": "y"})
            self.primary.write_map(second, ["x"])
        self.start({"virtual_mailbox_maps": f"pipemap:{{hash:{first}, hash:{second}}}"}, before=before)
        ours = MEMBERS - {"box@vm.example"}
        self.pair.wait_keys(ours | {"a@vm.example"})
        self.primary.write_map(second, ["x", "y"])
        self.pair.wait_keys(ours | {"a@vm.example", "b@vm.example"})

    def test_main_cf_with_a_syntax_error_changes_nothing(self):
        self.start()
        self.pair.wait_keys(MEMBERS)
        with open(os.path.join(self.primary.config, "main.cf"), "a", encoding="utf-8") as f:
            f.write("garbage\n")
        self.wait_status("missing '=' after attribute name")
        self.assertEqual(self.master_keys(), MEMBERS)
        self.change(virtual_mailbox_maps="inline:{box@vm.example=x, two@vm.example=x}")
        self.pair.wait_keys(MEMBERS | {"two@vm.example"})
        wait_for(lambda: self.pair.master.rxfer("status")[0] == 0, 20, "all well again")

    def test_postconf_fails_from_the_start_on(self):
        self.start(section='service = "nowhere"')
        self.wait_status('has no smtpd named "nowhere"')
        self.assertFalse(self.pair.master.status()["zones"][0]["recipients"])

    def test_what_cannot_be_listed_is_never_guessed(self):
        self.start()
        self.pair.wait_keys(MEMBERS)
        self.change(virtual_mailbox_maps="hash:/nowhere mysql:/etc/postfix/users.cf")
        said = self.wait_status("virtual_mailbox_maps = mysql:/etc/postfix/users.cf")
        self.assertIn('treat "mysql:/etc/postfix/users.cf" { as =', said)
        self.assertEqual(self.master_keys(), MEMBERS)

    def test_listed_by_a_command(self):
        self.start({"virtual_mailbox_maps": "proxy:regexp:/nowhere"},
                   zone='treat "regexp:/nowhere" { as = "list" command = "echo from-command@vm.example" }')
        self.pair.wait_keys((MEMBERS - {"box@vm.example"}) | {"from-command@vm.example"})

    def test_a_catch_all_or_ignored(self):
        self.start({"virtual_mailbox_maps": "regexp:/nowhere", "relay_recipient_maps": "tcp:localhost:1"},
                   zone='treat "regexp:/nowhere" { as = "catch-all" }\ntreat "tcp:localhost:1" { as = "ignore" }')
        self.pair.wait_keys((MEMBERS - {"box@vm.example", "relay@rl.example"}) | {"@vm.example"})

    def test_check(self):
        self.start({"virtual_mailbox_maps": "mysql:/etc/postfix/users.cf"})
        status, out, err = run("check", "-c", self.pair.master.config)
        self.assertEqual(status, 2, out + err)
        self.assertIn("virtual_mailbox_maps = mysql:/etc/postfix/users.cf", out)
        self.change(virtual_mailbox_maps="")
        status, out, err = run("check", "-c", self.pair.master.config)
        self.assertEqual(status, 0, out + err)
        self.assertIn("virtual_mailbox_maps is empty: every recipient in these domains is accepted", out)

    def test_a_restart_while_postfix_is_broken_keeps_the_zone(self):
        self.start()
        self.pair.wait_keys(MEMBERS)
        self.pair.master.stop()
        with open(os.path.join(self.primary.config, "main.cf"), "a", encoding="utf-8") as f:
            f.write("garbage\n")
        self.pair.master.start()
        self.wait_status("missing '='")
        self.assertEqual(self.master_keys(), MEMBERS)

    def test_young_main_cf(self):
        """postconf waits until main.cf is two seconds old; what was there before stands meanwhile."""
        self.start()
        self.pair.wait_keys(MEMBERS)
        path = os.path.join(self.primary.config, "main.cf")
        self.change(virtual_alias_maps="inline:{alias@va.example=x, young@va.example=x}")
        os.utime(path, (time.time(), time.time()))
        self.pair.wait_keys(MEMBERS | {"young@va.example"})

    def test_the_backup_says_what_the_primary_says(self):
        self.start()
        self.pair.wait_keys(MEMBERS)
        self.running(self.primary)
        backup = self.running(Postfix("backup", self.folder, {
            "relay_domains": self.pair.table("relay_domains"), "relay_recipient_maps": self.pair.table(),
            "recipient_delimiter": "+"}))
        for address in sorted(MEMBERS) + ["nobody@lo.example", "local+x@lo.example", "BOX@VM.example", "x@vm.example",
                                          "alias@vm.example", "x@nowhere.example", "postmaster@rl.example"]:
            with self.subTest(address):
                self.assertEqual(smtp.code(backup.port, address) // 100, smtp.code(self.primary.port, address) // 100)


if __name__ == "__main__":
    runner.main()
