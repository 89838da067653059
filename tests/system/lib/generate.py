"""generate.py: random Postfix primaries, valid and odd, and the addresses to ask them about.

    plan = Plan(seed, types, accounts)      # pure: no file is touched
    plan.write(folder)                      # map files and lists below `folder`
    plan.main_cf(folder), plan.options_of("smtpd", folder), plan.commands(folder)
    plan.probes(300)                        # [Probe(address, why)]

The same seed makes the same primary where the same map types and accounts exist. In a plan's texts FOLDER stands for
the folder. Each feature comes with a probability of its own, such that most primaries have a handful; what isn't chosen
is left to Postfix's defaults, for defaults refer to each other and are half of what must be understood.

Only what can be listed is made: names, /files, and tables whose keys Postfix's own tools can tell. Only what is valid:
an answer of 451 from a primary is a mistake in here, except from a transport `retry:'.
"""
import os
import random

from .probes import LOCAL_PARTS, Probes, split

INDEXED = ("hash", "btree", "lmdb", "cdb")
CLASSES = {                                  # class -> the parameter with its domains, with its recipients
    "local": ("mydestination", "local_recipient_maps"),
    "alias": ("virtual_alias_domains", "virtual_alias_maps"),
    "mailbox": ("virtual_mailbox_domains", "virtual_mailbox_maps"),
    "relay": ("relay_domains", "relay_recipient_maps"),
}
QUOTED_PARTS = ('"john doe"', '"a@b"', '"tab,comma"', '"Two  Spaces"', '"dot..dot"', '"needless"', '"back\\\\slash"')
UTF8_PARTS = ("müller", "STRASSE", "straße", "ÉTÉ", "ΣΊΣΥΦΟΣ", "用户")
DELIMITERS = ("+", "+", "+", "-", "-", "", "+-", "_", ".", "=+", "X")


def is_utf8(text):
    return not text.isascii()


class Plan(Probes):
    """A primary. Attributes: seed, domains (name -> class), settings (main.cf), options ("smtpd" or "rewrite" -> its
    -o), texts (file name -> contents), indexes (("postmap" or "postalias", "hash:FOLDER/x")...), entries
    ((parameter, key)...), delimiter."""

    def __init__(self, seed, types, accounts):
        self.seed = seed
        self.types, self.accounts = sorted(types), accounts
        self.random = random.Random(seed)
        self.settings, self.options, self.texts = {}, {"smtpd": {}, "rewrite": {}}, {}
        self.indexes, self.entries = [], []
        self._serial = 0
        self._choose_names()
        self._choose_domains()
        self._choose_maps()
        self._choose_aliases()
        self._choose_takers()
        self._choose_openness()
        self._choose_overrides()
        self._indirections()

    # -- small help ---------------------------------------------------------------------------------------------------

    def chance(self, probability):
        return self.random.random() < probability

    def pick(self, sequence):
        return self.random.choice(sequence)

    def some(self, sequence, least, most):
        """Between least and most different elements, in random order."""
        sequence = list(sequence)
        return self.random.sample(sequence, min(len(sequence), self.random.randint(least, most)))

    def spell(self, name):
        """A name as an administrator may have typed it."""
        how = self.random.random()
        if how > 0.2 or is_utf8(name):
            return name
        return name.upper() if how < 0.05 else name.title() if how < 0.15 else name.swapcase()

    def word(self):
        return "".join(self.pick("bdfgklmnprst") + self.pick("aeiou") for _ in range(self.random.randint(1, 3)))

    def _file(self, stem, text):
        self._serial += 1
        name = f"{stem}.{self._serial}"
        self.texts[name] = text
        return f"FOLDER/{name}"

    # -- settings -----------------------------------------------------------------------------------------------------

    def _choose_names(self):
        self.delimiter = self.pick(DELIMITERS)
        if self.delimiter or self.chance(0.5):
            self.settings["recipient_delimiter"] = self.delimiter
        if self.chance(0.3):
            self.settings["owner_request_special"] = self.pick(("yes", "no", "no"))
        if self.chance(0.15):
            self.settings["allow_min_user"] = self.pick(("yes", "no"))
        if self.chance(0.1):
            self.settings["compatibility_level"] = self.pick(("0", "1", "2", "3.6"))
        if self.chance(0.3):
            self.settings["smtputf8_enable"] = self.pick(("yes", "no", "no"))
        if self.chance(0.1):
            self.settings["allow_percent_hack"] = "no"
        if self.chance(0.05):
            self.settings["swap_bangpath"] = "no"
        if self.chance(0.05):
            self.settings["double_bounce_sender"] = self.pick(("bouncer", "Double-Bounce"))
        if self.chance(0.05):
            self.settings["resolve_dequoted_address"] = "no"
        if self.chance(0.1):
            self.settings["append_dot_mydomain"] = "yes"

    def _choose_domains(self):
        names = []
        for _ in range(self.random.randint(3, 8)):
            if names and self.chance(0.3):
                name = f"{self.word()}.{self.pick(names)}"
            elif self.chance(0.08 if self.settings.get("smtputf8_enable", "yes") == "yes" else 0.01):
                name = self.pick(("bücher.example", "xn--bcher-kva.example", "größe.example"))
            else:
                name = f"{self.word()}.{self.pick(('example', 'test', 'co.example'))}"
            if name not in names:
                names.append(name)
        weights = [3, 3, 3, 3, 1]
        kinds = [*CLASSES, "none"]
        self.domains = {name: self.random.choices(kinds, weights)[0] for name in names}
        if set(self.domains.values()) == {"none"}:
            self.domains[names[0]] = self.pick(list(CLASSES))
        host = self.pick(names)
        ascii_host = host if host.isascii() else "host.example"
        self.settings["myhostname"] = self.pick((f"mx.{ascii_host}", ascii_host, "mx.elsewhere.example"))
        if self.chance(0.2):
            self.settings["mydomain"] = ascii_host
        if self.chance(0.7):
            self.settings["myorigin"] = self.pick(("$myhostname", "$mydomain", self.spell(host), self.pick(names)))
            if os.path.exists("/etc/debian_version") and self.chance(0.15):      # Debian's own: a file with the name
                self.settings["myorigin"] = self._file("mailname", f"{host}\n")
        for kind in CLASSES:
            self._choose_class_domains(kind)
        self._choose_parent_matching()

    def _choose_class_domains(self, kind):
        parameter = CLASSES[kind][0]
        members = [name for name, k in self.domains.items() if k == kind]
        if self.chance(0.1):                  # in two classes: the first that matches counts
            members += [name for name in self.some(self.domains, 1, 1) if name not in members]
        self.from_keys = getattr(self, "from_keys", {})
        if kind in ("alias", "mailbox") and self.chance(0.35):
            self.from_keys[kind] = members   # the default: the keys of the class's maps
            return
        items = self._domain_items(members, parameter)
        if kind == "local":
            items += self.some(("$myhostname", "localhost.$mydomain", "localhost", "$mydomain", "$myorigin"), 0, 2)
        if kind == "relay" and self.chance(0.1):
            items.append("$mydestination")
        if kind == "relay" and not items and self.chance(0.7):
            return
        self.settings[parameter] = self._join(items)

    def _domain_items(self, members, parameter):
        items, listed = [], {"file": [], "table": []}
        for name in members:
            where = self.random.choices(("name", "file", "table"), (5, 2, 3))[0]
            if where == "name":
                items.append(self.spell(name))
            else:
                listed[where].append(self.spell(name))
        if listed["file"]:
            negative = [f"!{self.word()}.{listed['file'][0]}"] if self.chance(0.15) else []
            text = "".join(f"{line}\n" for line in ["# domains", *negative, *listed["file"]])
            items.append(self._file(parameter, text))
        if listed["table"]:
            items.append(self.one_map(parameter, [(name, "x") for name in listed["table"]]))
        self.random.shuffle(items)
        if self.chance(0.15) and self.domains:
            name = self.pick(list(self.domains))
            negative = self.pick((name, f"{self.word()}.{name}", f"www.{name}"))
            items.insert(self.random.randint(0, len(items)),
                         f"!{self._file(parameter, negative + chr(10))}" if self.chance(0.3) else f"!{negative}")
        return items

    def _choose_parent_matching(self):
        if self.chance(0.6):
            return
        names = self.some(("debug_peer_list", "mynetworks", "permit_mx_backup_networks", "smtpd_access_maps"), 0, 3)
        if self.chance(0.3):
            names.append("relay_domains")
        elif self.chance(0.5) and "relay_domains" in self.settings:
            base = [d for d, kind in self.domains.items() if kind == "relay"] or ["dotted.example"]
            self.settings["relay_domains"] += f", .{self.pick(base)}"
        if self.chance(0.1):
            names.append("transport_maps")
        self.settings["parent_domain_matches_subdomains"] = ", ".join(names)

    def _join(self, items):
        return self.pick((", ", " ")).join(items)

    # -- tables -------------------------------------------------------------------------------------------------------

    def one_map(self, parameter, entries, depth=0):
        """TYPE:NAME for a table with these (key, value) entries, of a random type, perhaps nested."""
        seen, unique = set(), []
        for key, value in entries:           # a texthash with a duplicate is a broken one
            if key.casefold() not in seen:
                seen.add(key.casefold())
                unique.append((key, value))
        kinds = [k for k in (*INDEXED, "hash", "texthash", "inline") if k in self.types]
        if depth < 2 and self.chance(0.12):
            kinds = [k for k in ("unionmap", "pipemap") if k in self.types] or kinds
        kind = self.pick(kinds)
        if kind == "unionmap":
            spec = self._union(parameter, unique, depth)
        elif kind == "pipemap":
            spec = self._pipe(parameter, unique, depth)
        elif kind == "inline" and self._fits_inline(unique):
            spec = "inline:{" + ", ".join(f"{{ {k} = {v} }}" for k, v in unique) + "}"
        else:
            if kind == "inline":
                kind = "hash" if "hash" in self.types else "texthash"
            text = "".join(f"{k}\t{v}\n" for k, v in unique)
            if self.chance(0.1):
                text = f"# {parameter}\n\n" + text.replace("\t", "\n\t", 1)
            spec = f"{kind}:{self._file(parameter, text)}"
            if kind in INDEXED:
                self.indexes.append(("postmap", spec))
        if self.chance(0.15 if depth == 0 else 0.05) and "proxy" in self.types:
            spec = "proxy:" + spec
        return spec

    @staticmethod
    def _fits_inline(entries):
        return 0 < len(entries) <= 8 and not any(set(k + v) & set(' {}=,"\\#\t:') for k, v in entries)

    def _union(self, parameter, entries, depth):
        cut = self.random.randint(0, len(entries))
        parts = [entries[:cut + 1], entries[cut:]]
        return "unionmap:{" + ", ".join(self.one_map(parameter, p or [("none@none.example", "x")], depth + 1)
                                        for p in parts) + "}"

    def _pipe(self, parameter, entries, depth):
        """The values of the first map are the keys of the second; where one is missing there, the key isn't there."""
        tokens = [f"t{n}" for n in range(self.random.randint(1, 3))]
        first = [(key, self.pick(tokens)) for key, _ in entries]
        if self.chance(0.3):
            last = "static:found"
        else:
            kept = tokens if self.chance(0.5) else tokens[:1]
            last = self.one_map(parameter, [(token, "found@found.example") for token in kept], depth + 1)
        first = self.one_map(parameter, first or [("none@none.example", "x")], depth + 1)
        return f"pipemap:{{{first}, {last}}}"

    def maps(self, parameter, entries):
        """The value of a parameter that names one to three maps with these entries in all."""
        self.entries += [(parameter, key) for key, _ in entries]
        count = self.random.choices((1, 2, 3), (6, 3, 1))[0]
        parts = [entries[n::count] for n in range(count)]
        specs = [self.one_map(parameter, part) for part in parts if part]
        # virtual_*_domains default to these two: every domain there is would be the primary's.
        if parameter not in ("virtual_alias_maps", "virtual_mailbox_maps") and self.chance(0.05):
            specs.append(self.pick(["static:all", "randmap:{all, every}"] if "randmap" in self.types else ["static:all"]))
        return self._join(specs)

    def local_part(self):
        kind = self.random.random()
        if kind < 0.55:
            return self.pick(LOCAL_PARTS)
        if kind < 0.62:
            return self.pick(QUOTED_PARTS)
        if kind < 0.68:
            return self.pick(UTF8_PARTS)
        if kind < 0.72:
            return self.pick(self.accounts)
        return self.word() + self.pick(("", "", ".", "-", "_", "+", "2")) + self.word()

    def recipients(self, domains, bare=0.3, catch_all=0.1):
        """Keys of a recipient map: addresses in these domains mostly, with all that makes them difficult."""
        keys = []
        for domain in domains:
            keys += [f"{self.spell(self.local_part())}@{self.spell(domain)}" for _ in range(self.random.randint(2, 7))]
            if self.chance(catch_all):
                keys.append(f"@{self.spell(domain)}")
            if self.delimiter and self.chance(0.5):
                keys.append(f"{self.pick(LOCAL_PARTS)}{self.pick(self.delimiter)}{self.word()}@{domain}")
            if self.chance(0.15):
                keys.append(f"{self.local_part()}@{self.word()}.{domain}")
        if self.chance(bare):
            keys += [self.spell(self.local_part()) for _ in range(self.random.randint(1, 4))]
        if self.chance(0.3):
            keys += [f"{self.local_part()}@{self.pick(list(self.domains))}" for _ in range(self.random.randint(1, 3))]
        if self.chance(0.1):
            keys.append(f"{self.word()}@{self.word()}.elsewhere.example")
        if self.chance(0.05):
            keys.append(f"{self.pick(LOCAL_PARTS)}@localhost")
        self.random.shuffle(keys)
        return keys

    def _targets(self, keys):
        return [(key, self.pick(("somebody@target.example", "alice", "one@target.example, two@target.example")))
                for key in keys]

    def _of_class(self, kind):
        return [name for name, k in self.domains.items() if k == kind]

    def _choose_maps(self):
        everywhere = list(self.domains)
        for parameter, probability in (("canonical_maps", 0.15), ("recipient_canonical_maps", 0.15)):
            if self.chance(probability):
                keys = self.recipients(self.some(everywhere, 1, 2), catch_all=0.04)
                self.settings[parameter] = self.maps(parameter, [(key, "alice@target.example") for key in keys])
        if self._of_class("alias") or self.chance(0.5):
            keys = self.recipients(self._of_class("alias") + self.some(everywhere, 0, 1))
            keys += [self.spell(name) for name in self.from_keys.get("alias", [])]
            if keys:
                name = "virtual_maps" if self.chance(0.05) else "virtual_alias_maps"     # the old one is its default
                self.settings[name] = self.maps("virtual_alias_maps", self._targets(keys))
        if self._of_class("mailbox") or self.chance(0.1):
            self._choose_class_map("mailbox", "box/", 0.08)
        if self._of_class("relay") or self.chance(0.1):
            self._choose_class_map("relay", "OK", 0.15)

    def _choose_class_map(self, kind, value, empty):
        parameter = CLASSES[kind][1]
        if self.chance(empty):
            return
        keys = self.recipients(self._of_class(kind), bare=0.15)
        keys += [self.spell(name) for name in self.from_keys.get(kind, [])]
        if keys:
            self.settings[parameter] = self.maps(parameter, [(key, value) for key in keys])

    def _alias_map(self, names):
        kinds = [kind for kind in INDEXED if kind in self.types]
        if not kinds or self.chance(0.15):              # what postmap makes, and all else that smtpd may look into
            return self.one_map("alias_maps", [(name, "somebody") for name in names if '"' not in name] or [("x", "y")])
        spec = f"{self.pick(kinds)}:{self._file('aliases', ''.join(f'{name}: somebody{chr(10)}' for name in names))}"
        self.indexes.append(("postalias", spec))
        return spec

    def _choose_aliases(self):
        """alias_maps, and local_recipient_maps, whose default is the accounts and alias_maps."""
        if self.chance(0.6):
            specs = []
            for _ in range(self.random.choices((1, 2), (4, 1))[0]):
                names = [self.spell(self.local_part()) for _ in range(self.random.randint(2, 8))]
                if self.chance(0.05):
                    names.append(f'"@{self.pick(list(self.domains))}"')
                seen = set()
                names = [n for n in names if not (n.casefold() in seen or seen.add(n.casefold()))]
                self.entries += [("alias_maps", name) for name in names]
                specs.append(self._alias_map(names))
            self.settings["alias_maps"] = self._join(specs)
        choice = self.random.random()
        if choice < 0.5:
            return
        if choice < 0.56:
            value = ""
        elif choice < 0.7:
            value = self.pick(("unix:passwd.byname $alias_maps", "$alias_maps", "proxy:unix:passwd.byname",
                               "unix:group.byname $alias_maps"))
        else:
            keys = self.recipients(self._of_class("local"), bare=0.7) or ["nobody.at.all"]
            value = self.maps("local_recipient_maps", [(key, "x") for key in keys])
            value += self.pick(("", " $alias_maps", " proxy:unix:passwd.byname"))
        self.settings["local_recipient_maps"] = value
        if self.chance(0.1):
            self.settings["luser_relay"] = "catcher@target.example"      # smtpd never asks about it

    # -- what takes away, and what lets everybody in ------------------------------------------------------------------

    def _choose_takers(self):
        known = [key for _, key in self.entries if "@" in key and not is_utf8(key)]
        if self.chance(0.25) and known:
            entries = []
            for _ in range(self.random.randint(1, 4)):
                domain = self.pick(list(self.domains))
                key = self.random.choices((self.pick(known), domain, f".{domain}", f"some.{domain}", "*"),
                                          (8, 2, 2, 1, 0.4))[0]
                value = self.random.choices(("error:5.1.1 gone", "error:", "error:4.2.0 full", "retry:4.3.0 later",
                                             "smtp:[127.0.0.1]:9", ":", "discard:", "local:", "lmtp:unix:x", "error"),
                                            (5, 1, 1, 1, 2, 1, 2, 1, 1, 1))[0]
                entries.append((key, value))
            self.settings["transport_maps"] = self.maps("transport_maps", entries)
        if self.chance(0.2) and known:
            keys = self.some(known, 1, 3)
            if self.chance(0.2):
                keys.append(self.pick(LOCAL_PARTS))
            if self.chance(0.05):
                keys.append(f"@{self.pick(list(self.domains))}")
            self.settings["relocated_maps"] = self.maps("relocated_maps", [(k, "new@target.example") for k in keys])
        for parameter in ("local_transport", "virtual_transport", "relay_transport", "default_transport"):
            if self.chance(0.04):
                self.settings[parameter] = self.pick(("error:5.1.1 closed", "retry:4.3.0 closed", "error:",
                                                      "error:4.3.0 soon", "lmtp:unix:x"))

    def _choose_openness(self):
        if self.chance(0.04):
            self.settings["smtpd_reject_unlisted_recipient"] = "no"
        if self.chance(0.02):
            self.settings["receive_override_options"] = "no_unknown_recipient_checks"
        if self.chance(0.1):
            self.settings["smtpd_recipient_restrictions"] = self.pick(("reject_unlisted_recipient", "permit", ""))

    def _choose_overrides(self):
        """master.cf's -o reaches smtpd alone: not those who resolve addresses for it, nor proxymap."""
        if self.chance(0.05):
            name = self.pick(("recipient_delimiter", "mydestination", "relay_domains", "virtual_alias_domains",
                              "virtual_mailbox_domains", "transport_maps", "relocated_maps", "local_transport", "myorigin",
                              "owner_request_special"))
            self.options["rewrite"][name] = self._override(name)
        if not self.chance(0.25):
            return
        for _ in range(self.random.randint(1, 2)):
            name = self.pick(("local_recipient_maps", "relay_recipient_maps", "virtual_mailbox_maps",
                              "virtual_alias_maps", "canonical_maps", "recipient_delimiter",
                              "smtpd_reject_unlisted_recipient", "smtpd_recipient_restrictions",
                              "receive_override_options", "mydestination", "relay_domains", "virtual_alias_domains",
                              "owner_request_special", "myorigin", "alias_maps",
                              "smtputf8_enable", "transport_maps", "relocated_maps", "local_transport"))
            self.options["smtpd"][name] = self._override(name)

    def _override(self, name):
        fixed = {"recipient_delimiter": ("+", "-", "", "_"), "smtpd_reject_unlisted_recipient": ("no", "yes"),
                 "smtpd_recipient_restrictions": ("reject_unlisted_recipient", ""),
                 "receive_override_options": ("no_unknown_recipient_checks", "no_address_mappings",
                                              "no_address_mappings,no_unknown_recipient_checks"),
                 "owner_request_special": ("no", "yes"), "smtputf8_enable": ("no", "yes"), "alias_maps": ("",),
                 "local_transport": ("error:closed",)}
        if name in fixed:
            return self.pick(fixed[name])
        if name.endswith("_domains") or name == "mydestination":
            return ", ".join(self.some(self.domains, 0, 2))
        if name == "myorigin":
            return self.pick(list(self.domains))
        if self.chance(0.4) and name not in ("transport_maps", "relocated_maps"):
            return ""
        keys = self.recipients(self.some(self.domains, 1, 2))
        return self.maps(name, [(key, "alice@target.example") for key in keys]).replace("proxy:", "")

    def _indirections(self):
        """Values that are reached by $name, as people write them."""
        for name in sorted(self.settings):
            value = self.settings[name]
            if name.endswith(("_maps", "_domains")) and value and "$" not in value and self.chance(0.12):
                private = f"our_{name}"
                self.settings[private] = value
                self.settings[name] = self.pick((f"${private}", f"${{{private}}}", f"$({private})",
                                                 f"${{{private}?{{${private}}}:{{static:never}}}}"))
        for name, value in self.settings.items():
            if "FOLDER" in value and self.chance(0.05):
                self.settings[name] = value.replace("FOLDER", "$config_directory/../maps")

    # -- on disk ------------------------------------------------------------------------------------------------------

    def write(self, folder):
        for name, text in self.texts.items():
            with open(os.path.join(folder, name), "w", encoding="utf-8") as f:
                f.write(text)

    def main_cf(self, folder):
        return {name: value.replace("FOLDER", folder) for name, value in self.settings.items()}

    def options_of(self, service, folder):
        """Lines that follow a service's in master.cf."""
        return "".join(f"  -o {{ {name} = {value.replace('FOLDER', folder)} }}\n" if " " in value or "{" in value else
                       f"  -o {name}={value.replace('FOLDER', folder)}\n" for name, value in self.options[service].items())

    def commands(self, folder):
        """[("postmap", "hash:/...")]: the indexes to make."""
        return [(command, spec.replace("FOLDER", folder)) for command, spec in self.indexes]

    def describe(self):
        """The settings, for a person."""
        lines = [f"{name} = {value}" for name, value in self.settings.items()]
        return "\n".join(lines + [f"{service} -o {name}={value}" for service, options in self.options.items()
                                  for name, value in options.items()])

    def evidence(self, address):
        """The lines of map files and lists that may bear upon an address."""
        local, domain = split(address.casefold())
        local = local.strip('"')
        bases = [local.partition(d)[0] for d in self.delimiter or "+"]
        base = min(filter(None, bases), key=len, default=local)
        wanted = {f"{part}@{domain}" for part in (local, base)} | {local, base, f"@{domain}", domain, f".{domain}", "*"}
        found = []
        for name, text in self.texts.items():
            for line in text.replace("\n\t", "\t").splitlines():
                key = line.partition("\t")[0] if "\t" in line else line.partition(": ")[0]
                if key.casefold().replace('"', "") in wanted:
                    found.append(f"{name}: {line}")
        return found
