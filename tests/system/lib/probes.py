"""probes.py: the addresses to ask a random primary about: what its maps name, what lies beside it, and what is odd.

Probes is the part of generate.Plan that makes them.
"""
import collections
import random

Probe = collections.namedtuple("Probe", "address why")
LOCAL_PARTS = ("alice", "bob", "carol", "dave", "info", "sales", "abuse", "Erika.Muster", "o'neil", "x_y", "a-b",
               "a-b-c", "john.doe", "list", "list-request", "owner-list", "staff", "staff-request", "Owner-Staff",
               "team+all", "tag=value", "n0815", "WEBMASTER", "postmaster", "mailer-daemon", "double-bounce", "-dash",
               "a.b_c")
SPECIAL = ("postmaster", "mailer-daemon", "double-bounce", "abuse", "Postmaster", "MAILER-DAEMON", "hostmaster")


def split(address):
    """(local part, domain) at the last @ outside of quotes; a domain of None for a bare name."""
    local, at, domain = address.rpartition("@")
    return (local, domain) if at and not domain.endswith('"') else (address, None)


class Probes:
    """Wants the attributes domains, entries, accounts, delimiter, settings, seed and random, and Plan's small help."""

    def probes(self, count):
        """That many different probes: members most of all, then what lies beside them."""
        rng = self.random = random.Random(f"probes of {self.seed}")
        keys = list(dict.fromkeys(key for _, key in self.entries if "@" in key[1:] or key.startswith("@") or
                                  ("." not in key and "*" not in key) or key in LOCAL_PARTS))
        members = [Probe(a, "member") for key in keys for a in self._as_addresses(key)]
        members += [Probe(f"{account}@{domain}", "account") for account in self.some(self.accounts, 2, 3)
                    for domain in self.domains]
        near = [Probe(a, why) for member in members for a, why in self._near(member.address)]
        special = [Probe(f"{name}@{domain}", "special") for domain in [*self.domains, "localhost"] for name in SPECIAL]
        special += [Probe(f"{name}{d}x@{domain}", "special with extension") for domain in self.some(self.domains, 2, 2)
                    for name in SPECIAL[:3] for d in self.delimiter or "+"]
        strange = [Probe(f"{self.word()}@{self.pick(('', 'www.', 'a.b.'))}{domain}", "stranger")
                   for domain in [*self.domains, "nowhere.example", "localhost"] for _ in range(3)]
        odd = [Probe(a, "odd") for a in self._odd([m.address for m in members])]
        chosen = []
        for pool, share in ((members, 0.45), (special, 0.1), (strange, 0.08), (odd, 0.12), (near, 1)):
            rng.shuffle(pool)
            chosen += list(dict.fromkeys(pool))[:int(count * share)]
        chosen += special + strange + members + odd
        chosen += [Probe(f"{self.word()}{n}@{self.pick(list(self.domains))}", "stranger") for n in range(count)]
        by_address = {probe.address: probe for probe in reversed(chosen) if self._fits_smtp(probe.address)}
        chosen = list(by_address.values())[::-1][:count]
        rng.shuffle(chosen)
        return chosen

    @staticmethod
    def _fits_smtp(address):
        return "<" not in address and ">" not in address and "\n" not in address

    def _as_addresses(self, key):
        """The addresses that a key stands for, or would if it were where it isn't."""
        if key.startswith("@"):
            return [f"{self.word()}{key}", f"{self.pick(LOCAL_PARTS)}@{self.word()}.{key[1:]}"]
        if "@" in key and not key.endswith('"'):
            return [key]
        return [f"{key}@{domain}" for domain in self.some(self.domains, 3, 4)]

    def _near(self, address):
        """(address, why): what lies beside a member."""
        local, domain = split(address)
        other = self.pick(list(self.domains))
        bare = local.strip('"')
        changed = list(local)
        changed[self.random.randrange(len(changed))] = self.pick("abcxyz09")
        d = self.pick(self.delimiter or "+-")
        near = [(f"{''.join(changed)}@{domain}", "a letter changed"), (f"{local}@{other}", "another domain's user"),
                (f"{local}@{self.pick(('sub', 'www', self.word()))}.{domain}", "sub-domain"),
                (f"{local}@{domain.partition('.')[2] or other}", "parent domain"),
                (address.swapcase(), "case"), (address.upper(), "case"), (address.lower(), "case"),
                (f"{local}{self.pick('+-_=.')}{self.word()}@{domain}", "any delimiter"),
                (f"owner-{local}@{domain}", "owner-"), (f"{local}-request@{domain}", "-request"),
                (f'"{bare}"@{domain}', "quoted"), (f"{bare}@{domain}", "unquoted"),
                (f"{local}@{domain}.", "dot at the end")]
        if not local.endswith('"'):
            near += [(f"{local}{d}{self.word()}@{domain}", "extension"),
                     (f"{local}{d}{self.word()}{d}b@{domain}", "two extensions"),
                     (f"{local}{d}@{domain}", "empty extension")]
        for delimiter in self.delimiter or "+-":
            if delimiter in local:
                near.append((f"{local.partition(delimiter)[0]}@{domain}", "without extension"))
        return near

    def _odd(self, members):
        domain, other = self.pick(list(self.domains)), self.pick(list(self.domains))
        account = self.pick(self.accounts)
        odd = [account, "postmaster", "double-bounce", "mailer-daemon", "Postmaster", f"{account}@[127.0.0.1]",
               "postmaster@[127.0.0.1]", "nobody.here@[127.0.0.1]", f"{account}@[192.0.2.1]", "x@[IPv6:::1]",
               f"@{domain}", f'""@{domain}', f"+@{domain}", f"+x@{domain}", f"-x@{domain}", f"a@b@{domain}",
               f"a..b@{domain}", f".a@{domain}", f"a.@{domain}", f"{account}@", f"x!y@{domain}", f"{domain}!{account}",
               f"ünbekannt@{domain}", f"x@ü.{domain}", f"{'x' * 65}@{domain}", f"x@{'y' * 64}.{domain}",
               "x@-bad.example", f"x@.{domain}", f"x@{domain}..", f"{account}@{domain.partition('.')[0]}",
               f"|cmd@{domain}", f"/file@{domain}", f":include:/x@{domain}", f"{account}@localhost",
               f"{account}@{self.settings['myhostname']}", f"double-bounce@{self.settings['myhostname']}",
               f"bouncer@{domain}", f"*@{domain}", f"#x@{domain}"]
        for address in self.some(members, 6, 10):
            local, home = split(address)
            odd += [f"{local}%{home}@{domain}", f"{local}%{home}@{other}", f"@{domain}:{local}@{home}",
                    f"{home}!{local}", local, f"{local}@[127.0.0.1]", f'"{local}@{home}"@{domain}',
                    f"{local}@{home}@{domain}"]
        return odd
