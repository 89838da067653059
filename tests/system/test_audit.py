#!/usr/bin/python3
"""test_audit.py: rxfer audit: what it asks of servers and daemons that are played, kind and hostile; and that it finds
what is wrong with a real primary and a real backup, and nothing where nothing is."""
import collections
import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import threading
import time

from lib import child, env, rxfer, runner
from lib.postfix import Postfix
from lib.rxfer import Pair
from lib.wait import wait_for

ASKED = re.compile(r"(?m)^([\d,]+) addresses asked at \S+ \((\d[\d,]*) of (\d[\d,]*) published, ([\d,]+) made up; "
                   r"seed (\d+)\): ([\d,]+) agree, ([\d,]+) differ")


class Oracle:
    """A daemon's control socket that answers list and explain. valid: the published keys. verdict(address, times) may
    say something else: a verdict, or None."""

    def __init__(self, path, valid, domains=("example.com", "example.org"), delimiter="+"):
        self.valid, self.domains, self.delimiter = set(valid), domains, delimiter
        self.program = "rxfer-master"
        self.verdict = lambda address, times: None
        self.asked = collections.Counter()
        self.full = []                    # addresses that were asked about with places
        self._server = socket.socket(socket.AF_UNIX)
        self._server.bind(path)
        self._server.listen(64)
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self):
        self._server.shutdown(socket.SHUT_RDWR)
        self._thread.join(20)
        self._server.close()

    def _serve(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._server.accept()
                with client, contextlib.suppress(OSError):
                    client.sendall(self._answer(client.makefile("rb").readline().decode()).encode())

    def _answer(self, line):
        words = line.rstrip("\n").split("\t")
        if words[0] == "list":
            return "ok\n" + "".join(f"RCPT {key}\n" for key in self.valid) + "".join(
                f"DOMAIN {domain}\n" for domain in self.domains) + f"PARAM recipient_delimiter {self.delimiter}\n.\n"
        if words[0] != "explain":
            return "error what?\n"
        if words[2:] != ["brief"]:
            self.full.append(words[1])
        self.asked[words[1]] += 1
        verdict = self.verdict(words[1], self.asked[words[1]]) or self.predict(words[1])
        zone = {"zone": "example", "verdict": verdict, "sentence": "so it is"}
        return "ok\n" + json.dumps({"program": self.program, "address": words[1], "verdict": verdict,
                                    "sentence": f"it is played: {verdict}", "zones": [zone]}) + "\n.\n"

    def predict(self, address):
        local, _, domain = address.lower().rpartition("@")
        if domain not in self.domains:
            return "foreign"
        keys = {f"{local}@{domain}", f"@{domain}", f"{local.partition(self.delimiter)[0]}@{domain}"}
        return "accept" if keys & self.valid else "refuse"


class Smtpd:
    """An SMTP server on a free port. Whatever a test wants otherwise it sets: greeting, extensions, or a function
    reply(command, address, times), which gives the reply's text, bytes to be sent as they are before it hangs up, or
    None for what the oracle would say. It has one connection at a time: whoever opens another waits in vain for its
    greeting. sessions: for each connection the commands; refusals: how many of the replies to RCPT weren't 2xx;
    transactions: how many recipients each had."""

    def __init__(self, oracle):
        self.oracle = oracle
        self.greeting = "220 played ESMTP"
        self.extensions = ["PIPELINING", "SMTPUTF8"]
        self.reply = lambda command, address, times: None
        self.delay = lambda: None
        self.sessions, self.refusals, self.transactions = [], [], []
        self.asked = collections.Counter()
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self):
        self._server.shutdown(socket.SHUT_RDWR)
        self._thread.join(20)
        self._server.close()

    def _serve(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._server.accept()
                self.sessions.append([])
                self.refusals.append(0)
                with client, contextlib.suppress(OSError):
                    self._talk(client, self.sessions[-1])

    def _talk(self, client, commands):
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if not self._send(client, self.greeting):
            return
        for raw in client.makefile("rb"):
            line = raw.decode().removesuffix("\r\n")
            commands.append(line)
            word = line.split(" ")[0]
            address = line.partition(":<")[2].rpartition(">")[0]
            if word == "RCPT":
                self.asked[address] += 1
                if commands[-2].startswith("MAIL"):
                    self.transactions.append(0)
                self.transactions[-1] += 1
            said = self.reply(word, address, self.asked[address])
            said = self._usual(word, address) if said is None else said
            if word == "RCPT" and not callable(said) and said[:1] not in ("2", b"2"):
                self.refusals[-1] += 1
            self.delay()
            if not self._send(client, said) or word == "QUIT":
                return

    def _usual(self, word, address):
        if word == "EHLO":
            lines = ["played", *self.extensions]
            return "\r\n".join([f"250-{line}" for line in lines[:-1]] + [f"250 {lines[-1]}"])
        if word == "RCPT":
            known = {"accept": "250 2.1.5 Ok", "refuse": f"550 5.1.1 <{address}>: unknown",
                     "defer": "450 4.3.0 later", "foreign": "554 5.7.1 Relay access denied"}
            return known[self.oracle.predict(address)]
        return "221 2.0.0 Bye" if word == "QUIT" else "250 2.0.0 Ok"

    @staticmethod
    def _send(client, said):
        """False: that is the end."""
        if isinstance(said, bytes):
            client.sendall(said)
            return False
        if callable(said):
            said(client)
            return False
        client.sendall(said.encode() + b"\r\n")
        return not said.startswith("421")


class Played(runner.TestCase):
    """A daemon and an smtpd that are played; they agree until a test says otherwise."""

    def setUp(self):
        super().setUp()
        self.socket = os.path.join(self.folder, "s")
        self.valid = [f"user{n:02}{n:02}@example.com" for n in range(40)] + ["other@example.org"]
        self.oracle = self.smtpd = None
        self.addCleanup(self.end)

    def play(self, valid=None, **oracle):
        self.end()
        self.oracle = Oracle(self.socket, self.valid if valid is None else valid, **oracle)
        self.smtpd = Smtpd(self.oracle)

    def end(self):
        if self.oracle:
            self.smtpd.close()
            self.oracle.close()
            os.unlink(self.socket)
            self.oracle = self.smtpd = None

    def audit(self, *args, rate="0", patience="3"):
        done = subprocess.run([env.program("rxfer"), "audit", "-s", self.socket, "--smtp",
                               f"127.0.0.1:{self.smtpd.port}", "--rate", rate, "--patience", patience, *args],
                              capture_output=True, timeout=120, check=False)
        self.check_manners()
        self.assertNotIn(b"\x1b", done.stdout + done.stderr)
        return done.returncode, done.stdout.decode(), done.stderr.decode()

    def check_manners(self):
        """Whatever happens: no message, one connection at a time, no more refusals than a server's limits allow."""
        words = {command.split(" ")[0] for session in self.smtpd.sessions for command in session}
        self.assertLessEqual(words, {"EHLO", "HELO", "MAIL", "RCPT", "RSET", "QUIT"})
        self.assertLessEqual(max(self.smtpd.refusals, default=0), 9)
        self.assertLessEqual(max(self.smtpd.transactions, default=0), 100)
        for session in self.smtpd.sessions:
            self.assertLess(session.count("RSET"), 100)

    def json(self, *args, **options):
        status, out, err = self.audit("--json", *args, **options)
        return status, json.loads(out), err

    def test_all_agree(self):
        self.play()
        status, out, err = self.audit("example")
        self.assertEqual((status, err), (0, ""))
        asked, members, published, made_up, _, agree, differ = map(int, ASKED.search(out).groups())
        self.assertEqual((members, published, differ), (41, 41, 0))
        self.assertGreater(made_up, 35)
        self.assertEqual(agree, asked)
        self.assertEqual(set(self.valid) - set(self.smtpd.asked), set(), "a member wasn't asked about")
        self.assertGreater(sum(self.smtpd.refusals), 9)
        self.assertEqual({c for s in self.smtpd.sessions for c in s if c.startswith("MAIL")}, {"MAIL FROM:<>"})
        self.assertEqual({s[0] for s in self.smtpd.sessions}, {"EHLO [127.0.0.1]"})
        self.assertTrue(all(s[-1] == "QUIT" for s in self.smtpd.sessions))

    def test_names(self):
        self.play()
        self.assertEqual(self.audit("--from", "audit@example.net", "--helo", "mx.example.net")[0], 0)
        self.assertEqual({c for s in self.smtpd.sessions for c in s if c.startswith("MAIL")},
                         {"MAIL FROM:<audit@example.net>"})
        self.assertEqual({s[0] for s in self.smtpd.sessions}, {"EHLO mx.example.net"})

    def test_sample(self):
        self.play()
        status, first, _ = self.json("--sample", "5")
        self.assertEqual((status, first["members"], first["published"]), (0, 5, 41))
        asked = set(self.smtpd.asked)
        self.smtpd.asked.clear()
        self.assertEqual(self.json("--sample", "5", "--seed", first["seed"])[0], 0)
        self.assertEqual(set(self.smtpd.asked), asked, "the seed repeats it")
        self.smtpd.asked.clear()
        self.assertEqual(self.json("--sample", "5", "--seed", first["seed"] + "1")[0], 0)
        self.assertNotEqual(set(self.smtpd.asked), asked)

    def test_member_refused(self):
        self.play()
        self.smtpd.reply = lambda command, address, times: (
            "550-5.1.1 no\r\n550 \x1b[2J such user" if address == "user0707@example.com" else None)
        status, out, _ = self.audit()
        self.assertEqual(status, 1)
        self.assertIn("user0707@example.com\n    published: should be accepted\n"
                      "    the server says: 550 5.1.1 no ?[2J such user\n", out)
        self.assertIn("it is played: accept", out)
        self.assertEqual(self.oracle.full, ["user0707@example.com"])
        self.assertEqual(self.smtpd.asked["user0707@example.com"], 2, "it is asked again before it is reported")
        status, report, _ = self.json()
        finding, = report["disagreements"]
        self.assertEqual((status, finding["address"], finding["expected"], finding["code"], finding["confirmed"]),
                         (1, "user0707@example.com", "accept", 550, True))
        self.assertEqual(finding["explanation"]["zones"][0]["zone"], "example")

    def test_stranger_accepted(self):
        self.play()
        self.smtpd.reply = lambda command, address, times: "250 Ok" if command == "RCPT" else None
        status, out, _ = self.audit()
        self.assertEqual(status, 1)
        self.assertIn("should be refused\n    the server says: 250 Ok\n", out)

    def test_many_are_counted(self):
        """Not all are shown, all are counted; a different kind of 5xx is a refusal too."""
        self.play([f"u{n:02}{n:02}@example.com" for n in range(60)])
        self.smtpd.reply = lambda command, address, times: (
            "554 5.7.1 Client host rejected" if command == "RCPT" else None)
        status, out, _ = self.audit()
        self.assertEqual(status, 1)
        differ = int(ASKED.search(out).group(7))
        self.assertGreater(differ, 60)
        self.assertIn(f"... and {differ - 20} more that differ", out)
        self.assertEqual(out.count("Client host rejected"), 20)
        self.assertEqual(len(self.oracle.full), 20)

    def test_changes_meanwhile(self):
        """The zone says something else at the second look, or at the third: no disagreement."""
        self.play()
        self.oracle.verdict = lambda address, times: (
            "refuse" if (address, times) == ("user0303@example.com", 1) or
            (address == "user0404@example.com" and times <= 2) else None)
        self.assertEqual(self.audit()[0], 0)
        self.assertEqual(self.oracle.asked["user0404@example.com"], 3)
        self.smtpd.reply = lambda command, address, times: (
            "550 no" if (address, times) == ("user0505@example.com", 3) else None)
        self.assertEqual(self.audit()[0], 0)
        self.oracle.asked.clear()
        self.oracle.verdict = lambda address, times: "foreign" if times > 1 else "refuse"
        self.assertEqual(self.audit()[0], 0)

    def test_greylisting(self):
        self.play()
        self.smtpd.reply = lambda command, address, times: (
            "450 4.2.0 greylisted" if command == "RCPT" and times == 1 else None)
        self.assertEqual(self.audit()[0], 0)
        self.smtpd.reply = lambda command, address, times: (
            "450 4.2.0 greylisted" if address == "user0909@example.com" else None)
        status, out, _ = self.audit()
        self.assertEqual(status, 3)
        self.assertIn("user0909@example.com\n    published: should be accepted\n"
                      "    the server says: 450 4.2.0 greylisted\n", out)
        self.assertIn(", 0 differ, 1 put off\n", out)

    def test_zone_defers(self):
        self.play()
        self.oracle.verdict = lambda address, times: "defer"
        self.smtpd.reply = lambda command, address, times: "451 4.3.0 lookup failure" if command == "RCPT" else None
        self.assertEqual(self.audit()[0], 0)
        self.smtpd.reply = lambda command, address, times: "550 5.1.1 no" if address == "user0909@example.com" else None
        status, out, _ = self.audit()
        self.assertEqual(status, 1)
        self.assertIn("should be accepted or put off", out)

    def test_foreign_is_never_asked(self):
        self.play([*self.valid, "a@elsewhere.net", "b@elsewhere.net", "c@unlisted.net"],
                  domains=("example.com", "example.org", "elsewhere.net"))
        self.oracle.verdict = lambda address, times: "foreign" if "elsewhere" in address else None
        status, report, _ = self.json()
        self.assertEqual((status, report["members"], report["foreign"]), (0, 41, 3))
        self.assertEqual([a for a in self.smtpd.asked if ".net" in a], [])

    def test_nobody_to_ask(self):
        self.play(["a@elsewhere.net"])
        status, _, err = self.audit()
        self.assertEqual(status, 2)
        self.assertIn("there is nobody to ask about: all of the zone's", err)
        self.oracle.valid = set()
        self.assertIn("the zone has no recipients", self.audit()[2])
        self.assertEqual(self.smtpd.sessions, [])

    def test_kinds_of_addresses(self):
        quoted, utf8 = '"a \\"b"@example.com', "ünï@example.org"
        self.play([quoted, utf8, "@example.org", "anna@example.com"])
        self.assertEqual(self.audit()[0], 0)
        self.assertEqual(self.smtpd.asked[quoted], 1)
        self.assertEqual(self.smtpd.asked[utf8], 1)
        self.assertTrue([a for a in self.smtpd.asked if re.fullmatch(r"rxferaudit[0-9a-f]{8}@example\.org", a)])
        for session in self.smtpd.sessions:
            utf8_mail = False
            for command in session:
                if command.startswith("MAIL"):
                    utf8_mail = command.endswith(" SMTPUTF8")
                if command.startswith("RCPT"):
                    self.assertEqual(utf8_mail, not command.isascii(), session)
        self.smtpd.extensions = ["PIPELINING"]
        self.smtpd.asked.clear()
        status, report, _ = self.json()
        self.assertEqual((status, report["no_smtputf8"] > 0), (0, True))
        self.assertTrue(all(a.isascii() for a in self.smtpd.asked))

    def test_old_servers(self):
        """No EHLO; no PIPELINING: then each reply is waited for."""
        self.play()
        self.smtpd.reply = lambda command, address, times: "502 5.5.1 what?" if command == "EHLO" else None
        self.assertEqual(self.audit()[0], 0)
        self.assertEqual({s[1] for s in self.smtpd.sessions}, {"HELO [127.0.0.1]"})

    def test_recipient_limit(self):
        """A server that takes five recipients at a time, and says so as servers do."""
        self.play()
        self.smtpd.reply = lambda command, address, times: (
            "452 4.5.3 Error: too many recipients" if command == "RCPT" and self.smtpd.transactions[-1] > 5 else None)
        self.assertEqual(self.audit()[0], 0)

    def test_null_sender_alone(self):
        """A server that takes one recipient from the null sender: the second look has each by itself."""
        self.play()
        self.smtpd.reply = lambda command, address, times: (
            "550 5.5.3 one recipient only" if command == "RCPT" and self.smtpd.transactions[-1] > 1 else None)
        self.assertEqual(self.audit()[0], 0)

    def test_rate_limits(self):
        """anvil's words, at each place where they come: waited out, then all is as it should be."""
        self.play()
        for place, words in (("RCPT", "450 4.7.1 Error: too many recipients from 127.0.0.1"),
                             ("MAIL", "450 4.7.1 Error: too much mail from 127.0.0.1"),
                             ("RCPT", "421 4.7.0 Error: too many errors"), ("EHLO", "421 4.3.2 shutting down")):
            with self.subTest(words=words):
                # 450 for longer than the pause before the second look; 421 not at the same address for ever
                end = time.monotonic() + (1 if words.startswith("421") else 3)
                self.smtpd.reply = lambda command, address, times, place=place, words=words, end=end: (
                    words if command == place and time.monotonic() < end else None)
                self.assertEqual(self.audit(patience="20")[0], 0)
        self.play()
        self.smtpd.greeting = "421 4.7.0 too many connections"
        threading.Thread(target=self._relent, daemon=True).start()
        self.assertEqual(self.audit(patience="20")[0], 0)

    def _relent(self):
        wait_for(lambda: [] in self.smtpd.sessions, 20, "a session that was turned away")
        self.smtpd.greeting = "220 now"

    def test_never_lets_us_in(self):
        self.play()
        for greeting, word in (("421 4.7.0 away", "put us off for too long: it doesn't let us in: 421 4.7.0 away"),
                               ("554 5.7.1 blocked", "it doesn't let us in: 554 5.7.1 blocked")):
            with self.subTest(greeting=greeting):
                self.smtpd.greeting = greeting
                status, out, err = self.audit(patience="1")
                self.assertEqual(status, 2)
                self.assertIn(word, err)
                self.assertIn(f"127.0.0.1:{self.smtpd.port}: ", err)
                self.assertIn("0 addresses asked", out)
        self.smtpd.greeting = "220 hello"
        self.smtpd.reply = lambda command, address, times: "550 5.7.1 not you" if command == "MAIL" else None
        status, _, err = self.audit()
        self.assertEqual(status, 2)
        self.assertIn("it refuses MAIL FROM:<>: 550 5.7.1 not you; another sender is set with --from", err)

    def test_nobody_there(self):
        self.play()
        port = child.free_port()
        for target, word in ((f"127.0.0.1:{port}", "Connection refused"),
                             (f"[::1]:{port}", "refused|unreachable|assign"),
                             ("no-such-host.invalid", "no-such-host.invalid:25: ")):
            status, _, err = self.audit("--smtp", target)
            self.assertEqual(status, 2)
            self.assertRegex(err, word)

    def test_hangs_up(self):
        """At one address, whenever it is asked: that one counts as put off, the rest is asked."""
        for last_words in (b"", "421 4.3.0 bye", b"250 2.1.5 Ok"):
            with self.subTest(last_words=last_words):
                self.play()
                self.smtpd.reply = lambda command, address, times, last_words=last_words: (
                    last_words if address == "user0909@example.com" else None)
                status, report, _ = self.json(patience="20")
                self.assertEqual((status, report["disagreements"]), (3, []))
                self.assertEqual([f["address"] for f in report["put_off"]], ["user0909@example.com"])
                self.assertEqual(report["put_off"][0]["code"], 421)

    def test_hangs_up_always(self):
        self.play()
        self.smtpd.reply = lambda command, address, times: b"" if command == "RCPT" else None
        begin = time.monotonic()
        status, out, err = self.audit(patience="2")
        self.assertEqual(status, 2)
        self.assertIn("put us off for too long: the server hung up", err)
        self.assertIn("; not finished\n", out)
        self.assertLess(time.monotonic() - begin, 30)

    def test_garbage(self):
        """What isn't SMTP ends the audit at once, with one line that says what came."""
        def endless(piece):
            def send(client):
                while True:
                    client.sendall(piece)
            return send
        for said, word in ((endless(b"x" * 65536), "more than 4096 bytes"),
                           (endless(b"250-a\r\n" * 1000), "more than 200 lines"),
                           (b"220 a\0b\r\n", "NUL"), (b"SSH-2.0-OpenSSH_9.2p1\r\n", "SSH-2.0-OpenSSH_9.2p1"),
                           (b"\xff\xfe\x1b[2J\r\n", "isn't a reply"), (b"220-a\r\n250 b\r\n", "220 and 250"),
                           (endless(b"\0" * 4096), "more than 4096 bytes"), (b"", "hung up"), (b"220 half", "hung up")):
            for place in ("greeting", "EHLO", "RCPT"):
                if place == "RCPT" and word == "hung up":
                    continue
                with self.subTest(word=word, place=place):
                    self.play()
                    if place == "greeting":
                        self.smtpd.greeting = said
                    else:
                        self.smtpd.reply = lambda command, address, times, said=said, place=place: (
                            said if command == place else None)
                    status, _, err = self.audit()
                    self.assertEqual(status, 2)
                    self.assertIn(word, err)
                    self.assertEqual(err.count("\n"), 1, err)
        self.play()
        self.smtpd.reply = lambda command, address, times: "354 go on" if command == "RCPT" else None
        self.assertIn('"354 go on" is no answer to RCPT', self.audit()[2])

    def test_slow(self):
        """Slow is fine; a byte now and then, or nothing at all, isn't for ever."""
        self.play(self.valid[:4])
        self.smtpd.extensions = ["SMTPUTF8"]
        self.smtpd.delay = lambda: time.sleep(0.05)
        self.assertEqual(self.audit()[0], 0)

        def drip(client):
            while True:
                client.sendall(b"2")
                time.sleep(0.1)
        for said in (drip, lambda client: client.recv(1)):
            self.smtpd.greeting = said
            begin = time.monotonic()
            status, _, err = self.audit(patience="1")
            self.assertEqual(status, 2)
            self.assertIn("no answer in time", err)
            self.assertLess(time.monotonic() - begin, 20)

    def test_rate(self):
        self.play()
        begin = time.monotonic()
        self.assertEqual(self.audit("--sample", "10", rate="20")[0], 0)
        self.assertGreater(time.monotonic() - begin, sum(self.smtpd.asked.values()) / 20 * 0.5)

    def test_interrupted(self):
        for signal_number in (signal.SIGINT, signal.SIGTERM):
            self.play()
            self.smtpd.reply = lambda command, address, times: "550 no" if command == "RCPT" else None
            process = subprocess.Popen([env.program("rxfer"), "audit", "-s", self.socket, "--smtp",
                                        f"127.0.0.1:{self.smtpd.port}", "--rate", "5"], stdout=subprocess.PIPE,
                                       stderr=subprocess.PIPE, text=True)
            wait_for(lambda: len(self.smtpd.asked) > 8, 20, "some questions")
            process.send_signal(signal_number)
            out, err = process.communicate(timeout=20)
            self.assertEqual(process.returncode, 2)
            self.assertIn("interrupted", err)
            self.assertIn("(asked once only)", out)
            self.assertRegex(out, r"\n9 addresses asked .*, 9 differ; not finished\n")

    def test_one_zone_of_a_master(self):
        """At a master the zone's own verdict counts, at a replica that of all zones."""
        self.play()
        self.oracle.verdict = lambda address, times: "accept"       # of the whole; the zone says so too
        original = self.oracle._answer

        def answer(line):
            text = original(line)
            if not line.startswith("explain"):
                return text
            said = json.loads(text.split("\n")[1])
            said["zones"] = [{"zone": "another", "verdict": "accept"},
                             {"zone": "example", "verdict": self.oracle.predict(said["address"])}]
            return f"ok\n{json.dumps(said)}\n.\n"
        self.oracle._answer = answer
        self.assertEqual(self.audit("example")[0], 0)
        self.oracle.program = "rxfer-replica"
        self.assertEqual(self.audit("example")[0], 1)

    def test_daemon_trouble(self):
        self.play()
        for answer, word in (("error there are 2 zones: name one\n", "there are 2 zones"), ("", "cut off"),
                             ("ok\nwhat\n.\n", "no record")):
            self.oracle._answer = lambda line, answer=answer: answer
            status, out, err = self.audit()
            self.assertEqual((status, out), (2, ""))
            self.assertIn(word, err)
        listed = "ok\nRCPT a@example.com\nDOMAIN example.com\n.\n"
        for answer, word in (("error rxfer-master doesn't know the command \"explain\"\n", "doesn't know"),
                             ("ok\n[\n.\n", "isn't JSON"), ("ok\n{}\n.\n", 'the verdict ""'),
                             ("ok\n[]\n.\n", 'the verdict ""'),
                             ('ok\n{"verdict":"perhaps"}\n.\n', "perhaps")):
            self.oracle._answer = lambda line, answer=answer: listed if line.startswith("list") else answer
            status, out, err = self.audit()
            self.assertEqual(status, 2)
            self.assertIn(word, err)
            self.assertEqual(err.count("\n"), 1)
        self.oracle._answer = lambda line: listed if line.startswith("list") else 'ok\n{"verdict":"accept"}\n.\n'
        self.smtpd.reply = lambda command, address, times: "250 Ok" if command == "RCPT" else None
        self.assertEqual(self.audit()[0], 0)

    def test_misuse(self):
        self.play()
        for args, word in ((("--sample", "0"), "--sample"), (("--sample", "x"), "--sample"),
                           (("--rate", "-1"), "--rate"), (("--rate", "1001"), "--rate"),
                           (("--seed", "99999999999999999999"), "--seed"),
                           (("--patience", "0"), "--patience"), (("--all", "--sample", "3"), "not both"),
                           (("--from", "a>\r\nDATA"), "--from"), (("--helo", "a b"), "--helo"),
                           (("--helo", ""), "--helo"), (("--smtp", "::1"), "brackets"),
                           (("--smtp", "[::1"), "HOST:PORT"), (("--smtp", ""), "HOST:PORT"),
                           (("--smtp", "a:"), "HOST:PORT"), (("--watch",), "doesn't take"), (("a", "b"), "too many")):
            with self.subTest(args=args):
                status, out, err = self.audit(*args)
                self.assertEqual((status, out), (2, ""))
                self.assertIn(word, err)
        self.assertEqual(self.smtpd.sessions, [])
        self.assertEqual(rxfer.run("status", "--all")[0], 3)


class Real(runner.TestCase):
    """A real primary and a real backup, both with rxfer. Their limits on errors are Postfix's own, or lower."""

    LIMITS = {"smtpd_soft_error_limit": "10", "smtpd_hard_error_limit": "10", "smtpd_error_sleep_time": "1s",
              "smtpd_junk_command_limit": "100", "smtpd_recipient_limit": "50"}
    KEYS = {f"user{n}@example.com": "x@y.example" for n in range(150)} | {
        "anna@example.org": "x@y.example", '"a b"@example.org': "x@y.example", "ünï@example.org": "x@y.example",
        "@example.net": "x@y.example"}
    DOMAINS = ("example.com", "example.org", "example.net")

    def start(self, domains=DOMAINS, keys=None, **primary):
        self.map = os.path.join(self.folder, "virtual")
        self.keys = dict(self.KEYS if keys is None else keys)
        self.primary = Postfix("primary", self.folder, {
            "virtual_alias_domains": ", ".join(self.DOMAINS), "virtual_alias_maps": f"hash:{self.map}",
            "recipient_delimiter": "+", **self.LIMITS, **primary})
        self.primary.write_map(self.map, self.keys)
        self.running(self.primary)
        self.pair = Pair(self.folder, "", domains=domains)
        ours = f'\tpostfix {{ config_directory = "{self.primary.config}" }}'
        self.pair.master_text = re.sub(r'\tsource "map" \{.*?\}', ours, self.pair.master_text)
        self.pair.write()
        self.running(self.pair)
        wait_for(lambda: None not in (self.pair.keys(), self.pair.keys("relay_domains")), 30,
                 lambda: f"the backup's tables\n{self.pair.logs()}")
        self.backup = self.running(Postfix("backup", self.folder, {
            "relay_domains": self.pair.table("relay_domains"), "relay_recipient_maps": self.pair.table(),
            "recipient_delimiter": "+", **self.LIMITS}))

    def audit(self, daemon, postfix, *args):
        status, out, err = rxfer.run("-s", daemon.socket, "audit", "--smtp", f"127.0.0.1:{postfix.port}", "--rate", "0",
                                     *args, seconds=120)
        return status, out, err

    def at_primary(self, *args):
        return self.audit(self.pair.master, self.primary, *args)

    def at_backup(self, *args):
        return self.audit(self.pair.replica, self.backup, *args)

    def assert_clean(self, result):
        status, out, err = result
        self.assertEqual(status, 0, out + err)
        asked, *_, agree, differ = (int(x.replace(",", "")) for x in ASKED.search(out).groups())
        self.assertEqual((asked, differ), (agree, 0))
        return asked

    def assert_no_trace(self, postfix):
        """No message was made, no limit met."""
        with open(postfix.log_path, encoding="utf-8", errors="replace") as f:
            log = f.read()
        for word in ("cleanup", "qmgr[", "too many", "lost connection after", "improper", "timeout after"):
            found = [line for line in log.splitlines() if word in line and "after CONNECT" not in line and
                     "daemon started" not in line]
            self.assertEqual(found, [], word)
        for queue in ("maildrop", "incoming", "active", "deferred"):
            self.assertEqual(os.listdir(os.path.join(postfix.queue, queue)), [], queue)
        self.assertIn("disconnect from", log)

    def test_clean(self):
        """Plain, quoted and UTF-8 addresses, a catch-all, extensions: as published at both ends."""
        self.start()
        self.assertEqual(self.assert_clean(self.at_primary()), 2 * len(self.KEYS))
        self.assertEqual(self.assert_clean(self.at_backup()), 2 * len(self.KEYS))
        for postfix in (self.primary, self.backup):
            self.assert_no_trace(postfix)

    def test_only_allowed_domains(self):
        """The backup takes one domain of three: the others are its smtpd's to refuse, and aren't asked about."""
        self.start(domains=("example.org",))
        status, out, _ = self.at_backup("--json")
        report = json.loads(out)
        self.assertEqual((status, report["members"], report["foreign"], report["disagreements"]), (0, 3, 151, []))

    def test_primary_refuses_a_member(self):
        self.start()
        self.primary.set(smtpd_recipient_restrictions="check_recipient_access inline:{user7@example.com=REJECT}")
        status, out, _ = self.at_primary("--all")
        self.assertEqual(status, 1)
        self.assertIn("user7@example.com\n    published: should be accepted\n    the server says: 554 5.7.1 "
                      "<user7@example.com>: Recipient address rejected: Access denied\n", out)
        self.assertIn("user7@example.com: accepted: ", out, "the explanation")
        self.assertIn(self.map, out, "the place that it came from")
        self.assert_clean(self.at_backup())

    def test_backup_with_a_catch_all(self):
        self.start()
        self.backup.set(virtual_alias_maps="inline:{@example.com=postmaster@localhost}")
        status, out, _ = self.at_backup("--json")
        self.assertEqual(status, 1)
        found = json.loads(out)["disagreements"]
        self.assertGreater(len(found), 20)
        self.assertEqual({(f["expected"], f["code"]) for f in found}, {("refuse", 250)})
        self.assertTrue(all(f["address"].lower().endswith("@example.com") for f in found))

    def test_backup_with_another_table(self):
        """A table that isn't rxfer's any more, from which two members are missing."""
        self.start()
        other = os.path.join(self.folder, "other")
        missing = {"user1@example.com", "user2@example.com"}
        self.backup.write_map(other, [key for key in self.keys if key not in missing])
        self.backup.set(relay_recipient_maps=f"hash:{other}")
        status, out, _ = self.at_backup("--json", "--all")
        found = json.loads(out)["disagreements"]
        self.assertEqual(status, 1)
        members = [f for f in found if f["kind"] == "published"]
        self.assertEqual({(f["address"], f["code"]) for f in members}, {(address, 550) for address in missing})

    def test_backup_with_another_delimiter(self):
        self.start()
        self.backup.set(recipient_delimiter="")
        status, out, _ = self.at_backup("--json")
        found = json.loads(out)["disagreements"]
        self.assertEqual(status, 1)
        self.assertEqual({f["kind"] for f in found}, {"a published one with an extension"})

    def test_sick_table(self):
        """The backup's table is away: 451, which is no disagreement, and not all is well."""
        self.start()
        self.backup.set(relay_recipient_maps=f"hash:{self.folder}/nothing")
        status, out, _ = self.at_backup("--sample", "3")
        self.assertEqual(status, 3, out)
        self.assertRegex(out, r"0 differ, [3-6] put off")

    def test_zone_changes_meanwhile(self):
        """Addresses come and go at the primary while it is audited."""
        self.start()
        process = subprocess.Popen([env.program("rxfer"), "-s", self.pair.master.socket, "audit", "--all", "--smtp",
                                    f"127.0.0.1:{self.primary.port}", "--rate", "80"], stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, text=True)
        for turn in range(100):
            for n in range(0, 150, 10):
                key = f"user{n}@example.com"
                if turn % 2:
                    self.keys[key] = "x@y.example"
                else:
                    self.keys.pop(key, None)
            if process.poll() is not None:
                break
            self.primary.write_map(self.map, self.keys)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(1.5 if turn < 2 else 30)
            if turn == 2:
                break
        out, err = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 0, out + err)
        self.assertIn(" 0 differ\n", out)

    def test_thousands(self):
        self.start(keys={f"user{n}@example.com": "x@y.example" for n in range(5000)})
        begin = time.monotonic()
        self.assertEqual(self.assert_clean(self.at_backup("--all")), 10000)
        self.assertLess(time.monotonic() - begin, 90)
        self.assert_no_trace(self.backup)

    def test_recipient_delimiter_of_none(self):
        self.start(recipient_delimiter="")
        self.assert_clean(self.at_primary())


if __name__ == "__main__":
    with contextlib.suppress(env.Missing):
        os.environ["PATH"] = f"{env.postfix().bin}:{os.environ['PATH']}"     # postconf, for rxfer-master
    runner.main(limit_seconds=900)
