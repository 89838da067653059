#!/usr/bin/python3
"""Random primaries: the backup that rxfer feeds says to every address what the primary's own smtpd says.

RXFER_PRIMARIES is how many (20), RXFER_SEED the seed of the first (77000; 0: by chance); primary n has RXFER_SEED + n, so that
RXFER_PRIMARIES=1 with a seed that was printed repeats just that one. RXFER_PROBES: addresses for each (300).
RXFER_JOBS: primaries at once (3). RXFER_VERBOSE=1 prints every verdict. RXFER_ORACLE=1 leaves rxfer out: it starts the
primaries and asks them, to see what Postfix makes of the generator's settings.

A verdict is the class of the reply to RCPT: 2, 4 or 5. It must be the same at both, but for these cases, in which no
look-up table of a backup can say what the primary says:

    own        a bare name, an address literal, a domain without a dot: each server's own users.
    routed     user%other@domain, other!user@domain, "user@other"@domain: the primary rewrites them as it is the end of
               the way, the backup isn't.
    subdomain  every subdomain of a relay domain is open at the primary.
    taken      a transport or relocation refuses one address, or one extension, out of a catch-all or of an address that
               stays: the table's wider key accepts it.
    special    postmaster+x at a local domain: the primary lets the exact name pass, the table's key any extension; and
               double_bounce_sender@$myorigin with a dot at the end.
    deferred   the primary answers 4xx; a table can only accept. Where all strangers of a domain are put off so, the table
               has the whole domain, and can't take out of it who isn't.
    letter     recipient_delimiter has a letter: trivial-rewrite splits an address there or not as its sender wrote it. What
               is taken away or put off at the primary so is in doubt at the backup.
    origin     double_bounce_sender@$myorigin, which smtpd accepts before it looks at the domain, in a domain that isn't
               the primary's: to publish that would make the backup take the domain for its own.

In `taken', `special' and `deferred', and where the primary refuses in `letter', the backup must err to the side of
accepting. A primary that lists nobody at all (`nobody': only postmaster and its like) is never published, and so can't be
compared.
"""
import collections
import concurrent.futures
import os
import pwd
import random
import re
import subprocess
import sys
import threading
import traceback

from lib import child, env, runner, smtp
from lib.generate import Plan
from lib.postfix import Postfix
from lib.probes import split
from lib.rxfer import Master, Pair
from lib.wait import wait_for

PRIMARIES = int(os.environ.get("RXFER_PRIMARIES", "20"))
PROBES = int(os.environ.get("RXFER_PROBES", "300"))
SEED = int(os.environ.get("RXFER_SEED", "77000")) or random.SystemRandom().randrange(1, 1 << 31)
JOBS = int(os.environ.get("RXFER_JOBS", "3"))
ORACLE = bool(os.environ.get("RXFER_ORACLE"))
VERBOSE = bool(os.environ.get("RXFER_VERBOSE"))
SHOWN = 12                                    # disagreements printed for one primary
UNKNOWN = re.compile(r"User unknown|Relay access denied|Access denied|Bad .*address syntax|Illegal address syntax")
MISTAKE = re.compile(r"server configuration|lookup (failure|error)|Temporary lookup failure")

_said = threading.Lock()


def say(text):
    with _said:
        print(text, flush=True)


def accounts():
    """Some of the machine's own users, always the same ones on the same machine."""
    names = [entry.pw_name for entry in pwd.getpwall() if re.fullmatch(r"[a-z][a-z0-9-]*", entry.pw_name)]
    return sorted(names)[:12]


class Primary(Postfix):
    """A Postfix as a plan says."""

    def __init__(self, plan, folder):
        self.plan = plan
        self.maps = os.path.join(folder, "primary", "maps")
        os.makedirs(self.maps)
        super().__init__("primary", folder, plan.main_cf(self.maps))
        plan.write(self.maps)
        for command, spec in plan.commands(self.maps):
            self.command(command, spec)

    def write_config(self):
        super().write_config()
        with open(os.path.join(self.config, "master.cf"), encoding="utf-8") as f:
            lines = f.read().splitlines(keepends=True)
        for service, command in (("smtpd", "smtpd\n"), ("rewrite", "trivial-rewrite\n")):
            number = next(n for n, line in enumerate(lines) if line.endswith(f" {command}"))
            lines.insert(number + 1, self.plan.options_of(service, self.maps))
        self._write("master.cf", "".join(lines))

    def complaints(self):
        """What its daemons warned about, each once."""
        with open(self.log_path, encoding="utf-8", errors="replace") as f:
            return list(dict.fromkeys(re.sub(r"^.*?\]: ", "", line.rstrip()) for line in f
                                      if re.search(r"(warning|fatal|panic|error): ", line) and
                                      not re.search(r"address syntax from|do not list domain|IDNA_ERROR", line)))


def ask(port, addresses):
    """address -> (code, text); a server that hangs up says 0. One session as long as it holds."""
    replies, session = {}, None
    for address in addresses:
        try:
            session = session or smtp.Session(port)
            replies[address] = session.verdict(address)
        except (smtp.SmtpError, OSError) as e:
            replies[address] = (0, str(e))
            if session:
                session.close()
            session = None
    if session:
        session.quit()
    return replies


def verdict(reply):
    return reply[0] // 100


class Round:
    """One primary. After run(): counts (a Counter), lines (what is to be said), failures (a number)."""

    def __init__(self, seed):
        self.seed = seed
        self.counts, self.lines, self.failures = collections.Counter(), [], 0
        types = env.postfix().types
        if not env.open_to_all(env.postfix().shlib_directory):
            # proxymap loads the code of lmdb and cdb when it has given up root, and couldn't from there.
            types = [kind for kind in types if kind != "proxy"]
        self.plan = Plan(seed, types, accounts())
        self.probes = self.plan.probes(PROBES)
        self._stops = []

    def run(self):
        self.folder = env.new_folder(f"differential.{self.seed}")
        try:
            self._run()
        except Exception as e:
            self._fail(f"{e}\n{''.join(traceback.format_tb(e.__traceback__)[-2:])}")
        finally:
            for stop in reversed(self._stops):
                try:
                    stop()
                except Exception as e:
                    self._fail(f"at the end: {e}")
            env.remove_folder(self.folder)
        if self.failures:
            self.lines.append(f"the settings of seed {self.seed}:\n{self.plan.describe()}")
        return self

    def _fail(self, text):
        self.failures += 1
        if self.failures <= SHOWN:
            self.lines.append(f"seed {self.seed}: {text}")

    def _running(self, thing):
        self._stops.append(thing.stop)
        thing.start()
        return thing

    def _run(self):
        self.primary = self._running(Primary(self.plan, self.folder))
        truth = ask(self.primary.port, [probe.address for probe in self.probes])
        for probe in self.probes:
            reply = truth[probe.address]
            self.counts[f"{verdict(reply)}xx"] += 1
            if MISTAKE.search(reply[1]) or verdict(reply) == 0:
                self._fail(f"the generator's mistake: {probe.address}: {reply[0]} {reply[1]}")
        if VERBOSE:
            self.lines += ["{:22} {:40} {} {}".format(p.why, p.address, *truth[p.address]) for p in self.probes]
        if ORACLE:
            self.lines += [f"seed {self.seed}: {line}" for line in self.primary.complaints()]
            return
        self._start_backup()
        if not self._arrived():              # a zone without a recipient isn't published, and the backup defers all
            self.counts["nobody"] += len(self.probes)
            for address, reply in truth.items():
                local = split(address)[0].strip('"').lower()
                if verdict(reply) == 2 and local not in ("postmaster", "mailer-daemon", self._double_bounce(), "") and \
                        not self._case(address, reply, (550, "")):
                    self._fail(f"nothing is published, but the primary accepts {address}")
            return
        answers = ask(self.backup.port, [probe.address for probe in self.probes])
        for probe in self.probes:
            self._compare(probe, truth[probe.address], answers[probe.address])

    def _start_backup(self):
        pair = self.pair = Pair(self.folder, "", domains=("*",))
        ours = f'\tpostfix {{ config_directory = "{self.primary.config}" }}'
        pair.master_text = re.sub(r'\tsource "map" \{.*?\}', ours, pair.master_text)
        pair.write()
        self._running(pair)
        wait_for(lambda: self._arrived() or self._is_empty(), 30,
                 lambda: f"the zone of this primary\n{pair.master.rxfer('status')[1]}{pair.logs()}")
        if not self._arrived():
            return
        self.keys = pair.keys()
        parameters = dict(line.split(" ", 2)[1:] if line.count(" ") > 1 else (line.split(" ")[1], "")
                          for line in pair.replica.list("example") if line.startswith("PARAM "))
        self.delimiter = parameters.get("recipient_delimiter", "")
        self.backup = self._running(Postfix("backup", self.folder, {
            "relay_domains": pair.table("relay_domains"), "relay_recipient_maps": pair.table(), **parameters}))

    def _is_empty(self):
        """Nobody at all is valid here."""
        status = " ".join(self.pair.master.rxfer("status")[1].split())
        return "the sources list no recipient at all" in status

    def _arrived(self):
        return None not in (self.pair.keys(), self.pair.keys("relay_domains"))

    def _compare(self, probe, truth, answer):
        if verdict(truth) == verdict(answer):
            self.counts["equal"] += 1
            return
        case = self._case(probe.address, truth, answer)
        if case:
            self.counts[f"{case} (primary {verdict(truth)}, backup {verdict(answer)})"] += 1
            return
        self.counts["WRONG"] += 1
        evidence = "".join(f"\n    {line}" for line in self.plan.evidence(probe.address))
        status, text, error = self.pair.master.rxfer("explain", probe.address)
        explained = f"\n    explain: {text.strip()}" if status in (0, 1) and not error else ""
        self._fail(f"{probe.address} ({probe.why}):\n    primary {truth[0]} {truth[1]}\n"
                   f"    backup  {answer[0]} {answer[1]}{evidence}{explained}")

    def _case(self, address, truth, answer):
        """The name of the case in which the two may differ so; None: they may not."""
        local, domain = split(address)
        if not domain or domain.startswith("[") or "." not in domain:
            return "own"
        if set(local) & set("%!@"):
            return "routed"
        if verdict(answer) == 2:
            if verdict(truth) == 4 or self._strangers_are_put_off(domain):
                return "deferred"
            if self._special(local) or (domain.endswith(".") and local.lower() == self._double_bounce()):
                return "special"
            if not UNKNOWN.search(truth[1]) and (address.casefold() not in self.keys or
                                                 self._extension_stays(local, domain)):
                return "taken"
            if not UNKNOWN.search(truth[1]) and self._has_letter():
                return "letter"
        elif verdict(truth) == 4 and self._has_letter():
            return "letter"
        elif verdict(truth) in (2, 4) and self._subdomains_open(domain, verdict(truth)):
            return "subdomain"
        elif local.strip('"').lower() == self._double_bounce() and self._is_foreign(domain):
            return "origin"
        return None

    def _extension_stays(self, local, domain):
        extended = [f"{local}{self.delimiter[:1]}zz@{domain}", f"{local}-request@{domain}"]
        return bool(self.delimiter) and 2 in map(verdict, ask(self.primary.port, extended).values())

    def _double_bounce(self):
        return self.plan.settings.get("double_bounce_sender", "double-bounce").lower()

    def _ask_for_a_stranger(self, domain):
        stranger = f"zz-nobody-zz@{domain}"
        return ask(self.primary.port, [stranger])[stranger]

    def _strangers_are_put_off(self, domain):
        return verdict(self._ask_for_a_stranger(domain)) == 4

    def _is_foreign(self, domain):
        return "Relay access denied" in self._ask_for_a_stranger(domain)[1]

    def _has_letter(self):
        return bool(re.search("[A-Za-z]", self.delimiter))

    def _special(self, local):
        """Whether it is a name that is always valid, with an extension."""
        names = ("postmaster", "mailer-daemon", self._double_bounce())
        local = local.strip('"').lower()
        return any(local.startswith(name) and local != name and local[len(name)] in self.delimiter for name in names)

    def _subdomains_open(self, domain, wanted):
        parents = [domain.split(".", n)[n] for n in range(1, domain.count(".") + 1)]
        strangers = [f"zz-nobody-zz@zz-nowhere-zz.{parent}" for parent in parents]
        return wanted in map(verdict, ask(self.primary.port, strangers).values())


class Differential(runner.TestCase):
    def knows_postfix(self):
        """Whether this rxfer-master has the keyword at all."""
        zone = f'zone "example" {{ postfix {{ config_directory = "{self.folder}" }} }}\n'
        master = Master("probe", self.folder, zone)
        done = subprocess.run([env.program("rxfer-master"), "-t", "-c", master.config], text=True, capture_output=True,
                              check=False)
        return "no such option 'postfix'" not in done.stderr + done.stdout

    def test_random_primaries(self):
        if not ORACLE and not self.knows_postfix():
            self.skipTest("this rxfer-master doesn't know `postfix'")
        print(f"RXFER_SEED={SEED} RXFER_PRIMARIES={PRIMARIES} RXFER_PROBES={PROBES}")
        self.addCleanup(child.kill_group, child.start(["true"], os.devnull).pid)     # a warden, before the threads
        total, failed = collections.Counter(), []
        with concurrent.futures.ThreadPoolExecutor(JOBS) as pool:
            rounds = [pool.submit(Round(SEED + n).run) for n in range(PRIMARIES)]
            for future in concurrent.futures.as_completed(rounds):
                one = future.result()
                total += one.counts
                if one.failures:
                    failed.append(one.seed)
                say("\n".join([f"seed {one.seed}: {dict(sorted(one.counts.items()))}", *one.lines]))
        print(f"all: {dict(sorted(total.items()))}")
        self.assertEqual(failed, [], "repeat one with RXFER_PRIMARIES=1 RXFER_SEED=...")
        if PRIMARIES < 20:
            return
        asked = sum(total[f"{n}xx"] for n in (2, 4, 5))
        for kind in ("2xx", "5xx"):
            self.assertGreater(total[kind], asked * 0.2, f"the generator's mix has too few {kind}")


if __name__ == "__main__":
    try:
        os.environ["PATH"] = f"{env.postfix().bin}:{os.environ['PATH']}"     # postconf, for rxfer-master
    except env.Missing as missing:
        print(f"skipped: {missing}")
        sys.exit(77)
    runner.main(programs=not ORACLE, limit_seconds=max(300, PRIMARIES * 15))
