#!/usr/bin/python3
"""The backup's own Postfix is compared with what it must be: what is wrong is told, with the line that mends it, and
the line does mend it; an ordinary Postfix is left in peace; and whatever its commands do, tables and verdicts don't
care."""
import os
import subprocess
import time

from lib import env, runner, smtp
from lib.postfix import Postfix
from lib.rxfer import Pair, run
from lib.wait import stays, wait_for

PRIMARY = {"mydestination": "", "virtual_mailbox_domains": "example.com, example.org", "recipient_delimiter": "+",
           "virtual_mailbox_maps": "inline:{anne@example.com=x, bob@example.org=x}"}
MEMBERS = {"anne@example.com", "bob@example.org"}

# As Debian's package makes it for an "Internet Site".
DEBIAN = {"mydestination": "$myhostname, backup.example.net, localhost.example.net, , localhost",
          "alias_maps": "hash:{aliases}", "alias_database": "hash:{aliases}", "mailbox_size_limit": "0",
          "smtpd_relay_restrictions": "permit_mynetworks permit_sasl_authenticated defer_unauth_destination"}


class BackupPostfix(runner.TestCase):
    def start(self, settings=None, section="interval = 1", primary=None, domains=("example.com", "example.org"),
              wait=MEMBERS, commands=None):
        self.primary = Postfix("primary", self.folder, {**PRIMARY, **(primary or {})})
        self.pair = Pair(self.folder, "", domains=domains, zone="refresh = 1")
        where = f'config_directory = "{self.primary.config}"  command_directory = "{env.postfix().bin}"'
        self.pair.master_text = self.pair.master_text.replace('source "map" {  }', f"postfix {{ {where} }}")
        self.good = {"relay_domains": self.pair.table("relay_domains"), "relay_recipient_maps": self.pair.table(),
                     "recipient_delimiter": "+"}
        self.backup = Postfix("backup", self.folder, {**self.good, **(settings or {})})
        self.bare_text = self.pair.replica_text
        self.pair.replica_text += self.section(section, commands)
        self.pair.write()
        self.addCleanup(self.pair.stop)
        self.pair.start()
        self.pair.wait_keys(wait)

    def section(self, section, commands=None):
        return (f'postfix {{ config_directory = "{self.backup.config}"  '
                f'command_directory = "{commands or env.postfix().bin}"  {section} }}\n')

    # ---- what is seen ----

    def postfix(self):
        return self.pair.replica.status().get("postfix")

    def findings(self, severity="warning"):
        return [finding for finding in self.postfix()["findings"] if finding["severity"] == severity]

    def wait_looked(self):
        """Waits until a look has ended that was begun after now."""
        before = time.time() * 1000
        looks = 0
        last = self.postfix()["looked_at"]
        while looks < 2:       # the first may have begun before
            wait_for(lambda: self.postfix()["looked_at"] > max(last, before), 30, lambda: f"a look\n{self.pair.logs()}")
            last = self.postfix()["looked_at"]
            looks += 1

    def wait_finding(self, text):
        """The one finding, which has this text in it."""
        wait_for(lambda: any(text in finding["sentence"] for finding in self.postfix()["findings"]), 30,
                 lambda: f"{text!r} in {self.postfix()}\n{self.pair.logs()}")
        return next(finding for finding in self.postfix()["findings"] if text in finding["sentence"])

    def wait_none(self):
        wait_for(lambda: self.postfix()["looked_at"] and not self.findings() and not self.postfix()["error"], 30,
                 lambda: f"no warnings in {self.postfix()}\n{self.pair.logs()}")

    def mend(self, line):
        """Runs the line as an administrator would, by a shell."""
        self.assertNotEqual(line, "")
        done = subprocess.run(line, shell=True, text=True, capture_output=True, check=False)
        self.assertEqual(done.returncode, 0, line + done.stderr)
        self.rest()

    def rest(self):
        """Postfix's programs wait until main.cf is two seconds old; here it is at once."""
        past = time.time() - 60 + time.time() % 1
        for name in ("main.cf", "master.cf"):
            os.utime(os.path.join(self.backup.config, name), (past, past))

    def configure(self, settings, master_cf=""):
        self.backup.main_cf = {**self.backup.main_cf, **self.good, "virtual_alias_maps": "", "mydestination": "",
                               **settings}
        for name in [name for name, value in self.backup.main_cf.items() if value is None]:
            del self.backup.main_cf[name]
        self.backup.write_config()
        if master_cf:
            path = os.path.join(self.backup.config, "master.cf")
            with open(path, encoding="utf-8") as f:
                text = f.read()
            with open(path, "w", encoding="utf-8") as f:
                f.write(text.replace("- - smtpd", f"- - smtpd\n  {master_cf}", 1))
            self.rest()

    # ---- tests ----

    def test_an_ordinary_postfix_is_left_in_peace(self):
        aliases = os.path.join(self.folder, "aliases")
        self.start({name: value.replace("{aliases}", aliases) for name, value in DEBIAN.items()})
        self.wait_none()
        self.wait_looked()
        self.assertEqual(self.postfix()["findings"], [])
        status, out, err = self.pair.replica.rxfer("status")
        self.assertEqual(status, 0, out + err)
        self.assertIn("\nPOSTFIX ", out)
        self.assertNotIn("To mend Postfix", out)

    def test_what_is_found_is_mended_by_the_line(self):
        self.start()
        relay = self.good["relay_domains"]
        # name, main.cf, master.cf, what is said
        cases = (
            ("delimiter", {"recipient_delimiter": "-"}, "", 'recipient_delimiter is "-" here and "+" on the primary'),
            ("no delimiter", {"recipient_delimiter": ""}, "", 'recipient_delimiter is "" here'),
            ("utf8", {"smtputf8_enable": "no"}, "", 'smtputf8_enable is "no"'),
            ("override", {}, "-o recipient_delimiter=-", "by the -o of 127.0.0.1:"),
            ("owner", {"owner_request_special": "no"}, "", "owner_request_special"),
            ("empty", {"relay_recipient_maps": ""}, "", "relay_recipient_maps is empty"),
            ("other map", {"relay_recipient_maps": "inline:{x@y.example=x}"}, "", "relay_recipient_maps doesn't name"),
            ("map of master.cf", {}, "-o relay_recipient_maps=inline:{x@y.example=x}", "doesn't name table"),
            ("other type", {"relay_recipient_maps": self.good["relay_recipient_maps"].replace("hash:", "btree:")}, "",
             "relay_recipient_maps names btree:"),
            ("no domains", {"relay_domains": "$mydestination"}, "", "relay_domains doesn't name table"),
            ("local", {"mydestination": "$myhostname, example.com"}, "", "mydestination has example.com"),
            ("local by name", {"mydomain": "example.org", "mydestination": "$myhostname, $mydomain, localhost"}, "",
             "mydestination has example.org"),
            ("alias domain", {"virtual_alias_domains": "example.com"}, "", "virtual_alias_domains has example.com"),
            ("mailbox domain", {"virtual_mailbox_domains": "a.example example.org"}, "",
             "virtual_mailbox_domains has example.org"),
            ("negated", {"relay_domains": f"!example.com {relay}"}, "", "relay_domains doesn't have example.com"),
            ("unlisted", {"smtpd_reject_unlisted_recipient": "no"}, "", "smtpd_reject_unlisted_recipient is no"),
            ("unchecked", {"receive_override_options": "no_unknown_recipient_checks"}, "", "every recipient"),
            ("code", {"unknown_relay_recipient_reject_code": "450"}, "", "unknown_relay_recipient_reject_code is 450"),
            ("bounce", {"soft_bounce": "yes"}, "", "soft_bounce is yes"),
            ("transport", {"relay_transport": "error:closed"}, "", "relay_transport is error:closed"),
        )
        undo = {name: None for _, settings, _, _ in cases for name in settings if name not in self.good}
        undo["relay_transport"] = "discard:"
        undo["mydestination"] = ""
        for name, settings, master_cf, text in cases:
            with self.subTest(name):
                self.configure({**undo, **settings}, master_cf)
                finding = self.wait_finding(text)
                self.assertEqual(len(self.findings()), 1, self.postfix())
                status, out, _ = self.pair.replica.rxfer("status")
                self.assertEqual(status, 1, out)
                if name == "negated":
                    continue
                self.assertIn("    " + finding["mend"] + "\n", out)
                self.mend(finding["mend"])
                self.wait_none()

    def test_several_at_once(self):
        self.start({"relay_recipient_maps": "", "recipient_delimiter": "=", "mydestination": "example.com",
                    "smtpd_reject_unlisted_recipient": "no"})
        wait_for(lambda: len(self.findings()) == 4, 30, lambda: f"4 findings\n{self.postfix()}")
        self.assertIn("and 3 more", self.pair.replica.status()["summary"])
        for finding in self.findings():
            self.mend(finding["mend"])
        self.wait_none()

    def test_the_line_makes_the_verdicts_right(self):
        self.start({"recipient_delimiter": "", "mydestination": "example.org"})
        self.running(self.backup)
        for address in ("anne+x@example.com", "bob@example.org"):
            self.assertEqual(smtp.code(self.backup.port, address), 550)
        wait_for(lambda: len(self.findings()) == 2, 30, lambda: f"2 findings\n{self.postfix()}")
        for finding in self.findings():
            self.mend(finding["mend"])
        self.backup.reload()
        for address in ("anne+x@example.com", "bob@example.org"):
            wait_for(lambda a=address: smtp.code(self.backup.port, a) == 250, 20, f"{address} is accepted")
        self.assertEqual(smtp.code(self.backup.port, "nobody@example.com"), 550)
        self.wait_none()

    def test_maps_that_have_a_word_too(self):
        self.start()
        table = os.path.join(self.folder, "own")
        self.backup.write_map(table, {"anne@example.com": "x", "carl@elsewhere.example": "y"})
        lists = os.path.join(self.folder, "patterns")
        with open(lists, "w", encoding="utf-8") as f:
            f.write("/^x@y.example$/ x\n")
        cases = (
            ({"virtual_alias_maps": f"hash:{table}"}, "warning", f"virtual_alias_maps (hash:{table}) has anne@example"),
            ({"canonical_maps": "static:x"}, "warning", "canonical_maps (static:x) has everybody in example.com, every"),
            ({"virtual_alias_maps": f"hash:{table}.gone"}, "warning", "which isn't there"),
            ({"virtual_alias_maps": "nosuch:x"}, "warning", "of a type that this Postfix doesn't know"),
            ({"virtual_alias_maps": f"regexp:{lists}"}, "hint", "can't be known: it can't be listed"),
            ({"relay_recipient_maps": self.good["relay_recipient_maps"] + f" hash:{table}"}, "warning",
             "has anne@example.com: accepted whatever the zone says"),
            ({"relocated_maps": f"hash:{table}"}, "warning", "has anne@example.com: refused here as moved"),
            ({"transport_maps": "inline:{example.com=error:gone}"}, "warning",
             "transport_maps has error: or retry: for example.com"),
            ({"transport_maps": "inline:{{bob@example.org=retry:later}, {*=error:no}, {.org=smtp:x}, {.com=smtp:x}}"},
             "warning", "for bob@example.org: refused or put off"),
            ({"mydestination": f"hash:{table}d"}, "warning", f"mydestination has hash:{table}d, which isn't there"),
        )
        undo = {name: None for settings, _, _ in cases for name in settings if name not in self.good}
        undo["mydestination"] = undo["virtual_alias_maps"] = ""
        for settings, severity, text in cases:
            with self.subTest(next(iter(settings.items()))):
                self.configure({**undo, **settings})
                self.assertEqual(self.wait_finding(text)["severity"], severity)
                self.assertEqual(len(self.postfix()["findings"]), 1, self.postfix())
                self.assertEqual(self.pair.replica.rxfer("status")[0], 1 if severity == "warning" else 0)
        self.configure(undo)
        self.wait_none()
        self.assertEqual(self.postfix()["findings"], [])

    def test_what_the_primary_wants_may_change(self):
        self.start(section="interval = 3600")
        self.wait_none()
        self.primary.main_cf["recipient_delimiter"] = "-"
        self.primary.write_config()
        finding = self.wait_finding('recipient_delimiter is "+" here and "-" on the primary')
        self.mend(finding["mend"])
        self.wait_none()

    def test_tables_that_are_not_written_yet(self):
        """Nobody is told to name a table that isn't there."""
        self.start({"relay_recipient_maps": "", "relay_domains": ""})
        self.wait_finding("relay_recipient_maps is empty")
        self.pair.stop()
        for name in ("relay_recipients", "relay_domains"):
            os.unlink(self.pair.replica.table(name) + ".db")
        subprocess.run(["rm", "-r", os.path.join(self.pair.replica.folder, "state")], check=True)
        self.pair.replica.start()
        self.wait_finding("isn't written yet; when it is, name it in relay_recipient_maps")
        self.assertEqual(self.findings(), [])
        self.pair.master.start()
        self.wait_finding("relay_recipient_maps is empty")

    def test_two_zones_that_want_different_things(self):
        self.start()
        other = Postfix("other", self.folder, {
            **PRIMARY, "virtual_mailbox_domains": "other.example", "recipient_delimiter": "-",
            "virtual_mailbox_maps": "inline:{carl@other.example=x}"})
        where = f'config_directory = "{other.config}"  command_directory = "{env.postfix().bin}"'
        text = self.pair.master_text.replace('zones = { "example" }', 'zones = { "example", "other" }')
        self.pair.master.write_config(text + f'zone "other" {{ postfix {{ {where} }} }}\n')
        self.pair.replica.write_config(
            self.pair.replica_text + 'zone "other" { master = "primary"  domains = { "other.example" } }\n')
        self.pair.master.reload()
        self.pair.replica.reload()
        self.pair.wait_keys(MEMBERS | {"carl@other.example"})
        finding = self.wait_finding("zones want different values of recipient_delimiter")
        self.assertIn('"+" (zone "example"), "-" (zone "other")', finding["sentence"])
        self.assertEqual(finding["mend"], "")

    def test_more_domains_than_are_compared(self):
        names = os.path.join(self.folder, "names")
        with open(names, "w", encoding="utf-8") as f:
            f.writelines(f"d{n:04}.example\n" for n in range(2100))
        self.start(primary={"virtual_mailbox_domains": names, "virtual_mailbox_maps": ""}, domains=("*",),
                   wait={f"@d{n:04}.example" for n in range(2100)})
        self.wait_finding("only the first 2000 of 2100 are compared")
        self.assertEqual(self.findings(), [])
        self.configure({"mydestination": "d0007.example"})
        self.assertIn("postconf", self.wait_finding("mydestination has d0007.example")["mend"])

    def test_main_cf_with_a_mistake(self):
        self.start()
        self.wait_none()
        with open(os.path.join(self.backup.config, "main.cf"), "a", encoding="utf-8") as f:
            f.write("garbage\n")
        self.rest()
        wait_for(lambda: "missing '='" in self.postfix()["error"], 30, lambda: f"an error\n{self.postfix()}")
        status, out, _ = self.pair.replica.rxfer("status")
        self.assertEqual(status, 1)
        self.assertIn("can't look at Postfix:", out)
        self.backup.write_config()
        self.wait_none()

    def commands(self, script):
        """A folder with a postconf of ours."""
        folder = os.path.join(self.folder, "commands")
        os.makedirs(folder, exist_ok=True)
        path = os.path.join(folder, "postconf")
        with open(path + ".new", "w", encoding="utf-8") as f:
            f.write("#!/bin/sh\n" + script + "\n")
        os.chmod(path + ".new", 0o755)
        os.rename(path + ".new", path)
        return folder

    def test_postconf_that_hangs_fails_or_raves(self):
        """The tables go on meanwhile, as if nothing were."""
        cases = (("sleep 1000", "it takes longer than 1 s"), ("echo no luck >&2; exit 7", "no luck"),
                 ("exit 7", "ended with status 7"), ("kill -9 $$", "signal 9"), ("echo garbage", "isn't understood"),
                 ("yes 'x = y' | head -c 100000", "isn't understood"))
        folder = self.commands(cases[0][0])
        self.start(section="interval = 1  timeout = 1", commands=folder)
        for index, (script, text) in enumerate(cases):
            with self.subTest(script):
                self.commands(script)
                wait_for(lambda t=text: t in self.postfix()["error"], 30, lambda t=text: f"{t}\n{self.postfix()}")
                self.assertEqual(self.pair.replica.rxfer("status")[0], 1)
                self.primary.main_cf["virtual_mailbox_maps"] = f"inline:{{anne@example.com=x, n{index}@example.org=x}}"
                self.primary.write_config()
                self.pair.wait_keys({"anne@example.com", f"n{index}@example.org"})
        bin_folder = env.postfix().bin
        os.symlink(os.path.join(bin_folder, "postmap"), os.path.join(folder, "postmap"))
        self.commands(f'exec {bin_folder}/postconf "$@"')
        self.wait_none()

    def test_no_postconf_at_all(self):
        self.start(commands="/nowhere")
        wait_for(lambda: "there is no postconf in /nowhere" in self.postfix()["error"], 30, lambda: str(self.postfix()))

    def test_the_section_comes_and_goes(self):
        self.start({"recipient_delimiter": "-"})
        self.wait_finding("recipient_delimiter")
        self.pair.replica.write_config(self.bare_text)
        self.pair.replica.reload()
        wait_for(lambda: self.postfix() is None, 20, "a status without Postfix")
        self.assertEqual(self.pair.replica.rxfer("status")[0], 0)
        self.pair.replica.write_config(self.bare_text + self.section("service = \"nosuch\""))
        self.pair.replica.reload()
        wait_for(lambda: 'no smtpd named "nosuch"' in (self.postfix() or {}).get("error", ""), 20,
                 lambda: str(self.postfix()))
        self.pair.replica.write_config(self.bare_text + self.section(f'service = "127.0.0.1:{self.backup.port}"'))
        self.pair.replica.reload()
        self.wait_finding("recipient_delimiter")

    def test_a_look_that_hangs_is_dropped_by_a_reload(self):
        self.start(section="timeout = 3600", commands=self.commands("sleep 1000"))
        self.pair.replica.write_config(self.bare_text + self.section("interval = 1"))
        self.pair.replica.reload()
        wait_for(lambda: (self.postfix() or {}).get("looked_at"), 20, "a look")

    def test_check(self):
        self.start({"recipient_delimiter": "-", "mydestination": "example.com"})
        mends = [self.wait_finding(name)["mend"] for name in ("recipient_delimiter", "mydestination")]
        status, out, err = run("check", "-c", self.pair.replica.config)
        self.assertEqual(status, 1, out + err)
        for finding in self.findings():
            self.assertIn(f"warning: Postfix: {finding['sentence']}\n    {finding['mend']}\n", out)
        self.assertEqual(err, "")
        self.pair.replica.stop()
        status, out, _ = run("check", "-c", self.pair.replica.config)
        self.assertEqual(status, 1)
        self.assertIn("compared only while rxfer-replica runs", out)
        self.assertIn("mydestination has example.com", out)
        self.assertNotIn("recipient_delimiter is", out)
        for mend in mends:
            self.mend(mend)
        self.pair.replica.start()
        self.wait_none()
        status, out, err = run("check", "-c", self.pair.replica.config)
        self.assertEqual((status, err), (0, ""), out)
        self.assertIn("all is well", out)
        self.pair.replica.write_config(self.bare_text)
        status, out, _ = run("check", "-c", self.pair.replica.config)
        self.assertEqual(status, 0, out)
        self.assertIn("hint: with postfix {", out)

    def test_what_is_found_changes_no_verdict(self):
        self.start({"recipient_delimiter": "-", "soft_bounce": "no"})
        self.running(self.backup)
        self.wait_finding("recipient_delimiter")
        index = self.pair.replica.table() + ".db"
        before = os.stat(index)
        stays(lambda: os.stat(index).st_ino == before.st_ino and
              smtp.code(self.backup.port, "anne@example.com") == 250, 2, "the table as it was")


if __name__ == "__main__":
    runner.main()
