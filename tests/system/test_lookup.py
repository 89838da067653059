#!/usr/bin/python3
"""A backup's real smtpd and rxfer explain, at both ends, say the same of odd addresses, whatever the delimiter."""
from lib import env, runner, smtp
from lib.explain import ExplainCase
from lib.postfix import Postfix
from lib.wait import wait_for

ADDRESSES = r"""
alice@example.com Alice+X@Example.COM alice+@example.com +x@example.com alice@example.com. "alice"@example.com
"al\ice"@example.com alice-x@example.com alice_x@example.com a.b+c-d_e@example.com
bob@example.com bob+x@example.com bob-x@example.com
"odd name"@example.com "odd name+x"@example.com "odd+name x"@example.com odd@example.com odd+x+y@example.com
odd-x+y@example.com "\"odd name\""@example.com "\"odd name\"+x"@example.com
owner-alice@example.com owner-list@example.com owner@example.com owner-x-y@example.com
list-request@example.com list@example.com list-x@example.com a-b-request@example.com a@example.com a-request@example.com
a+b-request@example.com x-requests@example.com
postmaster@example.com postmaster+x@example.com postmaster-x@example.com PostMaster@example.com
mailer-daemon@example.com mailer-daemon+x@example.com
double-bounce@example.com double-bounce-x@example.com double@example.com
aliceXyz@example.com alicexyz@example.com
Straße@example.com STRASSE+x@example.com strasse@example.com ÄRGER@example.com ärger@example.com
a..b@example.com "a..b"@example.com dot.@example.com dot.+x@example.com .dot@example.com
alice%x@example.com alice!x@example.com "alice@x"@example.com alice@x@example.com percent%@example.com
any@all.example any+x@all.example "any one"@all.example @all.example ""@all.example ""@example.com @example.com
alice@sub.example.com alice@all.example. alice@nowhere.example alice@example.com.nowhere
-dash@example.com "-dash x"@example.com -any@all.example da-sh@example.com
LONG@example.com LONG@all.example
""".replace("LONG", "x" * 200)


def words(text):
    """Separated by white space, but not within quotes."""
    out, word, quoted, skip = [], "", False, False
    for c in text:
        if skip:
            skip = False
        elif c == "\\":
            skip = True
        elif c == '"':
            quoted = not quoted
        elif c.isspace() and not quoted:
            out += [word] if word else []
            word = ""
            continue
        word += c
    return out + ([word] if word else [])


class Lookup(ExplainCase):
    KEYS = ('alice@example.com bob+x@example.com "odd name"@example.com odd@example.com owner@example.com '
            'list@example.com a@example.com alice%x@example.com postmaster@example.com mailer-daemon@example.com '
            'double@example.com strasse@example.com ärger@example.com "a..b"@example.com "dot."@example.com '
            'percent%@example.com -dash@example.com "-dash x"@example.com @all.example')

    def check(self, **settings):
        keys = words(self.KEYS)
        lines = "".join(f"{key}\tx\n" for key in keys)
        self.write("relay", lines)
        primary = Postfix("primary", self.folder, {
            "relay_domains": "example.com all.example",
            "relay_recipient_maps": f"texthash:{self.path('relay')}", **settings})
        self.pair_of(f'postfix {{ config_directory = "{primary.config}"  '
                     f'command_directory = "{env.postfix().bin}" }}', domains=("*",)).start()
        wait_for(lambda: "alice@example.com" in (self.pair.keys() or ()), 20, self.pair.logs)
        backup = self.running(Postfix("backup", self.folder, {
            "relay_domains": self.pair.table("relay_domains"), "relay_recipient_maps": self.pair.table(), **settings}))
        seen = set()
        with smtp.Session(backup.port) as session:
            for address in words(ADDRESSES):
                code = session.verdict(address)[0]
                self.assertIn(code // 100, (2, 5), address)
                for daemon in (self.pair.master, self.pair.replica):
                    with self.subTest(address, program=daemon.program, code=code):
                        answer = self.explain(address, daemon)
                        self.assertEqual(answer["verdict"] == "accept", code // 100 == 2, answer)
                seen.add(code // 100)
        self.assertEqual(seen, {2, 5})

    def test_plus(self):
        self.check(recipient_delimiter="+")

    def test_hyphen(self):
        self.check(recipient_delimiter="-")

    def test_hyphen_without_special_owners(self):
        self.check(recipient_delimiter="-", owner_request_special="no")

    def test_several(self):
        self.check(recipient_delimiter="_+-")

    def test_a_capital_letter(self):
        self.check(recipient_delimiter="X")

    def test_a_leading_hyphen_allowed(self):
        self.check(recipient_delimiter="+", allow_min_user="yes")

    def test_none_and_no_smtputf8(self):
        self.check(recipient_delimiter="", smtputf8_enable="no")


if __name__ == "__main__":
    runner.main()
