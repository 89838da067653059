#!/usr/bin/python3
"""What is found out of a Postfix, a thing at a time: the real primary and the backup that rxfer feeds give the same
verdicts, before and after a change of just this thing."""
import os

from lib import env, runner
from lib.both import BothCase, CLASSES, TABLES
from lib.wait import wait_for

ONE_EACH = {"mydestination": "lo.example", "virtual_alias_domains": "va.example", "virtual_mailbox_domains": "vm.example",
            "relay_domains": "rl.example", "local_recipient_maps": "inline:{lola=x}",
            "virtual_alias_maps": "inline:{vala@va.example=x}", "virtual_mailbox_maps": "inline:{vmla@vm.example=x}",
            "relay_recipient_maps": "inline:{rlla@rl.example=x}"}
MEMBERS = ["lola@lo.example", "vala@va.example", "vmla@vm.example", "rlla@rl.example"]
STRANGERS = ["nobody@lo.example", "nobody@va.example", "nobody@vm.example", "nobody@rl.example", "nobody@else.example"]


def inline(*keys):
    return f"inline:{{{', '.join(f'{key}=x' for key in keys)}}}"


class Discovery(BothCase):
    # -- the domains of each class -------------------------------------------------------------------------------------

    def test_mydestination(self):
        self.primary_has({"mydestination": "lo.example, other.example", "local_recipient_maps": inline("anne")})
        self.agree(["anne@lo.example", "anne@other.example", "Anne@OTHER.example"],
                   ["nobody@lo.example", "anne@sub.lo.example", "anne@third.example"])
        self.change({"mydestination": "lo.example third.example"})
        self.agree(["anne@lo.example", "anne@third.example"], ["anne@other.example", "nobody@third.example"])

    def test_virtual_alias_domains(self):
        self.primary_has({"virtual_alias_domains": "va.example other.example",
                          "virtual_alias_maps": inline("anne@va.example", "anne@other.example", "anne@third.example")})
        self.agree(["anne@va.example", "anne@other.example"],
                   ["nobody@va.example", "anne@sub.va.example", "anne@third.example", "postmaster@va.example"])
        self.change({"virtual_alias_domains": "va.example, third.example"})
        self.agree(["anne@va.example", "anne@third.example"], ["anne@other.example"])

    def test_virtual_mailbox_domains(self):
        self.primary_has({"virtual_mailbox_domains": "vm.example other.example",
                          "virtual_mailbox_maps": inline("anne@vm.example", "anne@other.example", "anne@third.example")})
        self.agree(["anne@vm.example", "anne@other.example"],
                   ["nobody@vm.example", "anne@sub.vm.example", "anne@third.example", "postmaster@vm.example"])
        self.change({"virtual_mailbox_domains": "vm.example, third.example"})
        self.agree(["anne@vm.example", "anne@third.example"], ["anne@other.example"])

    def test_relay_domains_with_parent_domain_matches_subdomains(self):
        self.primary_has({"relay_domains": "rl.example",
                          "relay_recipient_maps": inline("anne@rl.example", "anne@sub.rl.example", "anne@a.b.rl.example")})
        self.agree(["anne@rl.example", "anne@sub.rl.example", "anne@a.b.rl.example"],
                   ["nobody@rl.example", "nobody@sub.rl.example", "anne@b.rl.example", "postmaster@rl.example"])
        self.change({"parent_domain_matches_subdomains": "debug_peer_list, smtpd_access_maps"})
        self.agree(["anne@rl.example"], ["anne@sub.rl.example", "anne@a.b.rl.example"])
        self.change({"relay_domains": ".rl.example"})
        self.agree(["anne@sub.rl.example", "anne@a.b.rl.example"], ["anne@rl.example"])

    def test_the_first_class_that_has_a_domain_counts(self):
        self.primary_has({**ONE_EACH, "mydestination": "lo.example rl.example",
                          "local_recipient_maps": inline("lola")})
        self.agree(["lola@rl.example"], ["rlla@rl.example"])
        self.change({"mydestination": "lo.example"})
        self.agree(["rlla@rl.example"], ["lola@rl.example"])

    # -- how lists are written -----------------------------------------------------------------------------------------

    def lists(self, domains, files, tables):
        """The four lists, each with names, a file, and a table, of domains that end in the class's own word."""
        settings, kinds = {}, {"lo": "hash", "va": "lmdb", "vm": "texthash", "rl": "cdb"}
        for end, parameter in CLASSES.items():
            path = self.file(f"{end}.file", ["# a comment", *(f"{name}.{end}.example" for name in files)])
            table = self.table(kinds[end], f"{end}.table", [f"{name}.{end}.example" for name in tables])
            words = [word.format(end=end, path=path, table=table) for word in domains]
            settings[parameter] = ", ".join(words)
            keys = [f"anne@{n}.{end}.example" for n in ("name", "file", "fili", "table", "tabli", "not", "nor", "neither")]
            settings[TABLES[end]] = inline("anne") if end == "lo" else inline(*keys)
        return settings

    @staticmethod
    def annes(*names):
        return [f"anne@{name}.{end}.example" for name in names for end in CLASSES]

    def test_lists_of_names_files_and_tables(self):
        form = ("Name.{end}.example", "{path}", "{table}")
        self.primary_has(self.lists(form, ["file"], ["table"]))
        self.agree(self.annes("name", "file", "table"), self.annes("fili", "tabli", "not"))
        self.lists(form, ["fili"], ["tabli", "table"])
        self.primary.reload()
        self.agree(self.annes("name", "fili", "table", "tabli"), self.annes("file", "not"))

    def test_lists_with_negation(self):
        negative = self.table("hash", "negative", [f"neither.{end}.example" for end in CLASSES])
        for end in CLASSES:
            self.file(f"{end}.nor", [f"nor.{end}.example"])
        form = ("!not.{end}.example", f"!{self.files}/{{end}}.nor", f"!{negative}", "{path}", "{table}")
        settings = self.lists(form, ["not", "nor", "name"], ["neither", "table"])
        self.primary_has(settings)
        self.agree(self.annes("name", "table"), self.annes("not", "nor", "neither"))
        self.change({parameter: settings[parameter].replace(f"!not.{end}.example, ", "")
                     for end, parameter in CLASSES.items()})
        self.agree(self.annes("not"), self.annes("nor", "neither"))

    def test_defaults_that_refer_to_maps(self):
        virtual = self.table("hash", "virtual", ["va.example", "anne@va.example", "anne@vb.example"])
        boxes = self.table("lmdb", "boxes", ["vm.example", "anne@vm.example", "anne@vn.example"])
        self.primary_has({"virtual_alias_maps": virtual, "virtual_mailbox_maps": boxes})
        self.agree(["anne@va.example", "anne@vm.example"], ["nobody@va.example", "anne@vb.example", "anne@vn.example"])
        self.table("hash", "virtual", ["vb.example", "anne@va.example", "anne@vb.example"])
        self.table("lmdb", "boxes", ["vm.example", "vn.example", "anne@vm.example", "anne@vn.example"])
        self.agree(["anne@vb.example", "anne@vm.example", "anne@vn.example"], ["anne@va.example", "nobody@vn.example"])

    # -- who is valid --------------------------------------------------------------------------------------------------

    def test_local_recipient_maps_with_accounts_and_alias_maps(self):
        """Their default. A changed account database is in test_accounts.py."""
        aliases = self.aliases("aliases", ["anne", "Two-Words", '"quoted one"'])
        self.primary_has({"mydestination": "lo.example", "alias_maps": aliases})
        self.agree(["root@lo.example", "Daemon@lo.example", "root+x@lo.example", "anne@lo.example", "two-words@lo.example",
                    '"quoted one"@lo.example'], ["nobody.here@lo.example", "quoted@lo.example", "bert@lo.example"])
        self.aliases("aliases", ["anne", "bert"])
        self.agree(["anne@lo.example", "bert@lo.example", "root@lo.example"], ["two-words@lo.example"])
        self.change({"local_recipient_maps": "$alias_maps"})
        self.agree(["anne@lo.example"], ["root@lo.example"])

    def in_every_class(self, parameter):
        """A map that makes addresses of ours valid, whatever their class."""
        everywhere = ["anne@lo.example", "anne@va.example", "anne@vm.example", "anne@rl.example"]
        table = self.table("hash", "table", ["anne@else.example", *everywhere])
        more = f"{table} {ONE_EACH['virtual_alias_maps']}" if parameter == "virtual_alias_maps" else table
        self.primary_has({**ONE_EACH, parameter: more})
        self.agree(MEMBERS + everywhere + ["anne+x@vm.example"], STRANGERS + ["anne@else.example"])
        self.table("hash", "table", [*everywhere[2:], "bert@va.example"])
        self.agree(MEMBERS + everywhere[2:] + ["bert@va.example"], STRANGERS + everywhere[:2])

    def test_virtual_alias_maps(self):
        self.in_every_class("virtual_alias_maps")

    def test_canonical_maps(self):
        self.in_every_class("canonical_maps")

    def test_recipient_canonical_maps(self):
        self.in_every_class("recipient_canonical_maps")

    def in_one_class(self, parameter, domain, others):
        """A map that counts in one class alone."""
        table = self.table("hash", "table", [f"anne@{domain}", f"Bert@{domain}", *(f"anne@{other}" for other in others)])
        self.primary_has({**ONE_EACH, parameter: table})
        self.agree([f"anne@{domain}", f"anne+x@{domain}", f"BERT@{domain}"],
                   [f"nobody@{domain}", *(f"anne@{other}" for other in others)])
        self.table("hash", "table", [f"bert@{domain}", f"carl@{domain}"])
        self.agree([f"bert@{domain}", f"carl@{domain}"], [f"anne@{domain}"])

    def test_virtual_mailbox_maps(self):
        self.in_one_class("virtual_mailbox_maps", "vm.example", ["lo.example", "va.example", "rl.example"])

    def test_relay_recipient_maps(self):
        self.in_one_class("relay_recipient_maps", "rl.example", ["lo.example", "va.example", "vm.example"])

    def test_local_recipient_maps(self):
        self.in_one_class("local_recipient_maps", "lo.example", ["va.example", "vm.example", "rl.example"])

    def test_bare_keys_with_myorigin_and_mydestination(self):
        names = {"mydestination": "lo.example, second.example", "myorigin": "lo.example",
                 "virtual_alias_maps": inline("anne", "vala@va.example"), "canonical_maps": inline("bert")}
        self.primary_has({**ONE_EACH, **names})
        bare = ["anne", "bert"]
        self.agree([f"{n}@{d}" for n in bare for d in ("lo.example", "second.example")] + MEMBERS,
                   [f"{n}@{d}" for n in bare for d in ("va.example", "vm.example", "rl.example")])
        self.change({"mydestination": "lo.example", "myorigin": "vm.example"})
        self.agree([f"{n}@{d}" for n in bare for d in ("lo.example", "vm.example")] + MEMBERS,
                   [f"{n}@{d}" for n in bare for d in ("second.example", "va.example", "rl.example")])
        if not os.path.exists("/etc/debian_version"):
            return                                            # a file is Debian's own
        self.change({"myorigin": self.file("mailname", ["rl.example"])})
        self.agree([f"{n}@rl.example" for n in bare], [f"{n}@vm.example" for n in bare])
        self.file("mailname", ["va.example"])
        self.primary.reload()
        self.agree([f"{n}@va.example" for n in bare], [f"{n}@rl.example" for n in bare])

    def test_catch_alls(self):
        tables = {p: self.table("hash", p, [f"@{end}.example"]) for end, p in TABLES.items()}
        self.primary_has({**ONE_EACH, **tables})
        whoever = [f"who.ever+x@{end}.example" for end in CLASSES]
        self.agree(whoever, ["who.ever@sub.rl.example", "who.ever@else.example"])
        for end, parameter in TABLES.items():
            self.table("hash", parameter, [f"anne@{end}.example"])
        self.agree([f"anne@{end}.example" for end in CLASSES], whoever)

    def test_names_that_are_always_valid(self):
        self.primary_has({**ONE_EACH, "myorigin": "rl.example"})
        always = ["postmaster", "mailer-daemon", "double-bounce", "PostMaster"]
        self.agree([f"{name}@lo.example" for name in always] + ["double-bounce@rl.example"],
                   ["abuse@lo.example", "postmaster@va.example", "postmaster@vm.example", "postmaster@rl.example",
                    "double-bounce@vm.example"])
        self.change({"double_bounce_sender": "bouncer", "myorigin": "vm.example"})
        self.agree(["bouncer@lo.example", "bouncer@vm.example", "postmaster@lo.example"],
                   ["double-bounce@lo.example", "double-bounce@rl.example", "bouncer@rl.example"])

    # -- classes that accept everything --------------------------------------------------------------------------------

    def test_classes_without_a_table(self):
        self.primary_has({**ONE_EACH, "local_recipient_maps": "", "virtual_mailbox_maps": "", "relay_recipient_maps": ""})
        open_ones = ["nobody@lo.example", "nobody@vm.example", "nobody@rl.example"]
        self.agree(MEMBERS + open_ones, ["nobody@va.example", "nobody@else.example"])
        self.change({"local_recipient_maps": inline("lola"), "relay_recipient_maps": "static:x"})
        self.agree(open_ones[1:], ["nobody@lo.example", "nobody@va.example"])

    def test_smtpds_that_do_not_ask(self):
        everybody = [f"nobody@{end}.example" for end in CLASSES]
        self.primary_has({**ONE_EACH, "receive_override_options": "no_unknown_recipient_checks"})
        self.agree(everybody, ["nobody@else.example"])
        self.primary_has({**ONE_EACH, "smtpd_reject_unlisted_recipient": "no",
                          "smtpd_recipient_restrictions": "reject_unlisted_recipient"})
        self.agree(MEMBERS, everybody)
        self.change({"smtpd_recipient_restrictions": ""})
        self.agree(everybody, ["nobody@else.example"])

    # -- what is taken away --------------------------------------------------------------------------------------------

    def test_transport_maps_to_error_and_retry(self):
        transports = {"gone@vm.example": "error:5.1.1 gone", "gone@rl.example": "error:",
                      "later@vm.example": "retry:4.3.0 soon",
                      ".rl.example": "error:5.1.2 no", "kept@a.rl.example": "smtp:[127.0.0.1]:9", "va.example": "error:no"}
        boxes = inline("gone@vm.example", "later@vm.example", "stays@vm.example")
        relay = inline("gone@rl.example", "stays@rl.example", "kept@a.rl.example", "gone@a.rl.example")
        table = self.table("hash", "transport", transports)
        self.primary_has({**ONE_EACH, "virtual_mailbox_maps": boxes, "relay_recipient_maps": relay,
                          "transport_maps": table})
        self.agree(["stays@vm.example", "stays@rl.example", "kept@a.rl.example", "vala@va.example", "lola@lo.example"],
                   ["gone@vm.example", "gone+x@vm.example", "gone@rl.example", "gone@a.rl.example"],
                   ["later@vm.example"])
        self.table("hash", "transport", {"lo.example": "error:5.1.1 closed", "lola@lo.example": "local:"})
        self.agree(["gone@vm.example", "later@vm.example", "gone@rl.example", "gone@a.rl.example", "lola@lo.example"],
                   ["postmaster@lo.example"])

    def test_transports_of_classes_to_error(self):
        self.primary_has({**ONE_EACH, "local_transport": "error:5.1.1 no", "relay_transport": "error:"})
        self.agree(["vala@va.example", "vmla@vm.example"],
                   ["lola@lo.example", "postmaster@lo.example", "rlla@rl.example"])
        self.change({"relay_transport": "discard:", "local_transport": "discard:",
                     "virtual_transport": "retry:4.3.0 soon"})
        self.agree(["rlla@rl.example", "lola@lo.example"], ["nobody@rl.example"],
                   ["vmla@vm.example", "nobody@vm.example"])

    def test_relocated_maps(self):
        moved = self.table("hash", "relocated", ["anne@vm.example", "bert", "@rl.example"])
        self.primary_has({**ONE_EACH, "local_recipient_maps": inline("anne", "bert"), "relocated_maps": moved,
                          "virtual_mailbox_maps": inline("anne@vm.example", "bert@vm.example")})
        self.agree(["anne@lo.example", "bert@vm.example", "vala@va.example"],
                   ["anne@vm.example", "anne+x@vm.example", "bert@lo.example", "rlla@rl.example"])
        self.table("hash", "relocated", ["anne@lo.example"])
        self.agree(["anne@vm.example", "bert@lo.example", "rlla@rl.example"], ["anne@lo.example"])

    def test_aliases_go_before_transports(self):
        self.primary_has({**ONE_EACH, "virtual_alias_maps": inline("vala@va.example", "anne@vm.example"),
                          "virtual_mailbox_maps": inline("anne@vm.example", "bert@vm.example"),
                          "transport_maps": inline("vm.example=error:no").replace("=x", "")})
        self.agree(["anne@vm.example", "vala@va.example"], ["bert@vm.example"])

    # -- how values are written ----------------------------------------------------------------------------------------

    def test_overrides_in_master_cf(self):
        """They reach smtpd, and not trivial-rewrite, which knows the domains."""
        options = {"virtual_mailbox_maps": inline("anne@vm.example"), "relay_recipient_maps": "", "relay_domains": ""}
        self.primary_has(ONE_EACH, options)
        self.agree(["anne@vm.example", "nobody@rl.example", "lola@lo.example"], ["vmla@vm.example", "nobody@lo.example"])
        self.change({}, {"virtual_mailbox_maps": inline("bert@vm.example"), "recipient_delimiter": "+"})
        self.agree(["bert@vm.example", "bert+x@vm.example", "rlla@rl.example"], ["anne@vm.example", "nobody@rl.example"])
        self.change({})
        self.agree(MEMBERS, STRANGERS)

    def test_name_expansion(self):
        ours = {"our_domain": "vm.example", "our_users": inline("anne@$our_domain"), "our_more": "$our_users",
                "our_empty": "", "virtual_mailbox_domains": "${our_domain}, $(our_empty) ${our_empty?not.example}",
                "virtual_mailbox_maps": "${our_more} ${our_empty:{inline:{bert@vm.example=x}}} "
                                        "${{$our_domain} == {vm.example} ? {inline:{carl@vm.example=x}} : {static:no}}"}
        self.primary_has(ours)
        self.agree(["anne@vm.example", "bert@vm.example", "carl@vm.example"], ["nobody@vm.example", "anne@not.example"])
        self.change({"our_users": inline("dora@vm.example"), "our_empty": "full"})
        self.agree(["dora@vm.example", "carl@vm.example"], ["anne@vm.example", "bert@vm.example"])

    def test_proxy_prefixes(self):
        if not env.open_to_all(env.postfix().shlib_directory):
            self.skipTest("proxymap can't reach this Postfix's libraries when it has given up root")
        table = self.table("hash", "table", ["anne@vm.example"])
        domains = self.table("hash", "domains", ["vm.example"])
        self.primary_has({"virtual_mailbox_domains": f"proxy:{domains}", "virtual_mailbox_maps": f"proxy:{table}",
                          "mydestination": "lo.example", "local_recipient_maps": "proxy:unix:passwd.byname"})
        self.agree(["anne@vm.example", "root@lo.example"], ["bert@vm.example", "nobody.here@lo.example"])
        self.table("hash", "table", ["bert@vm.example"])
        self.primary.reload()
        self.agree(["bert@vm.example"], ["anne@vm.example"])

    def test_unionmap_and_pipemap(self):
        first = self.table("hash", "first", {"anne@vm.example": "a", "bert@vm.example": "b"})
        second = self.table("texthash", "second", ["a"])
        third = self.table("lmdb", "third", ["carl@vm.example"])
        pipe = f"pipemap:{{{first}, {second}}}"
        self.primary_has({"virtual_mailbox_domains": "vm.example",
                          "virtual_mailbox_maps": f"unionmap:{{{pipe}, unionmap:{{{third}, {inline('dora@vm.example')}}}}}"})
        self.agree(["anne@vm.example", "carl@vm.example", "dora@vm.example"], ["bert@vm.example", "nobody@vm.example"])
        self.table("texthash", "second", ["b"])
        self.table("lmdb", "third", ["emil@vm.example"])
        self.agree(["bert@vm.example", "emil@vm.example"], ["anne@vm.example", "carl@vm.example"])

    def test_inline_texthash_and_static(self):
        text = self.table("texthash", "text", ["Anne@vm.example", "bert@vm.example"])
        self.primary_has({"virtual_mailbox_domains": "vm.example", "relay_domains": "rl.example",
                          "virtual_mailbox_maps": f"{text} inline:{{ {{ carl@vm.example = two words }}, "
                                                  "dora@vm.example=x }",
                          "relay_recipient_maps": "static:x"})
        self.agree(["anne@vm.example", "bert@vm.example", "carl@vm.example", "dora@vm.example", "nobody@rl.example"],
                   ["nobody@vm.example"])
        self.table("texthash", "text", ["anne@vm.example", "emil@vm.example"])
        self.agree(["anne@vm.example", "emil@vm.example"], ["bert@vm.example"])

    def test_every_kind_of_index(self):
        kinds = [kind for kind in ("hash", "btree", "lmdb", "cdb") if kind in env.postfix().types]
        tables = [self.table(kind, kind, [f"{kind}@vm.example"]) for kind in kinds]
        self.primary_has({"virtual_mailbox_domains": "vm.example", "virtual_mailbox_maps": ", ".join(tables)})
        self.agree([f"{kind}@vm.example" for kind in kinds], ["nobody@vm.example"])
        for kind in kinds:
            self.table(kind, kind, [f"new-{kind}@vm.example"])
        self.agree([f"new-{kind}@vm.example" for kind in kinds], [f"{kind}@vm.example" for kind in kinds])

    def test_all_that_is_read_is_watched(self):
        """One after the other: none is noticed only because another is. main.cf and master.cf are in all other tests."""
        transport, moved = (self.table("hash", name, {f"{name}@vm.example": "error:"}) for name in ("transport", "moved"))
        first, second = self.table("hash", "first", {"piped@vm.example": "a"}), self.table("hash", "second", ["b"])
        domains, boxes = self.table("hash", "domains", ["rl.example"]), self.table("hash", "boxes", ["box@vm.example"])
        text, aliases = self.table("texthash", "text", ["text@vm.example"]), self.aliases("aliases", ["alias"])
        names, origin = self.file("names", ["va.example"]), self.file("origin", ["lo.example"])
        debian = os.path.exists("/etc/debian_version")
        self.primary_has({
            "mydestination": "lo.example", "alias_maps": aliases, "local_recipient_maps": "$alias_maps",
            "myorigin": origin if debian else "lo.example", "virtual_alias_domains": names,
            "virtual_alias_maps": inline("anne@va.example", "anne@vb.example", "bare"), "relay_domains": domains,
            "relay_recipient_maps": inline("anne@rl.example", "anne@rm.example"), "virtual_mailbox_domains": "vm.example",
            "virtual_mailbox_maps": f"{inline('transport@vm.example', 'moved@vm.example')} {boxes} {text} "
                                    f"pipemap:{{{first} {second}}}",
            "transport_maps": transport, "relocated_maps": moved})
        self.agree(["anne@va.example", "box@vm.example", "text@vm.example", "alias@lo.example", "anne@rl.example"])
        changes = {
            "anne@vb.example": lambda: self.file("names", ["va.example vb.example"]),
            "anne@rm.example": lambda: self.table("hash", "domains", ["rl.example", "rm.example"]),
            "transport@vm.example": lambda: self.table("hash", "transport", {"else.example": "error:"}),
            "moved@vm.example": lambda: self.table("hash", "moved", ["else@else.example"]),
            "box2@vm.example": lambda: self.table("hash", "boxes", ["box@vm.example", "box2@vm.example"]),
            "text2@vm.example": lambda: self.table("texthash", "text", ["text@vm.example", "text2@vm.example"]),
            "alias2@lo.example": lambda: self.aliases("aliases", ["alias", "alias2"]),
            "piped@vm.example": lambda: self.table("hash", "second", ["a", "b"]),
        }
        if debian:
            changes["bare@vm.example"] = lambda: self.file("origin", ["vm.example"])
        for key, change in changes.items():
            with self.subTest(key):
                self.assertNotIn(key, self.pair.keys())
                change()
                wait_for(lambda k=key: k in self.pair.keys(), 20, lambda k=key: f"{k}\n{self.pair.logs()}")

    def test_parameters_that_travel(self):
        self.primary_has({**ONE_EACH, "recipient_delimiter": "-", "owner_request_special": "no", "smtputf8_enable": "no"})
        def told():
            lines = [" ".join(line.split()) for line in self.pair.replica.list("example") if line.startswith("PARAM ")]
            return dict((line.split(" ") + [""])[1:3] for line in lines)
        expected = {"recipient_delimiter": "-", "owner_request_special": "no", "smtputf8_enable": "no",
                    "allow_min_user": "no"}
        wait_for(lambda: told() == expected, 20, lambda: f"{expected}, not {told()}")


if __name__ == "__main__":
    runner.main()
