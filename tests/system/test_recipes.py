#!/usr/bin/python3
"""The recipes of rxfer-recipes(7), as they stand there, with real databases, a real Postfix that asks them, and a
backup: the backup says what the primary says, and a database in trouble costs nobody an address."""
import contextlib
import os
import re

from lib import env, runner, servers, smtp
from lib.postfix import Postfix
from lib.rxfer import Pair
from lib.wait import stays, wait_for

PAGE_PATH = os.path.join(env.SOURCE, "man", "rxfer-recipes.7")


class Page:
    """The literal blocks of the manual page."""

    def __init__(self):
        with open(PAGE_PATH, encoding="utf-8") as f:
            text = f.read()
        self.blocks = [block.replace("\\e", "\\") for block in
                       re.findall(r"^\.Bd -literal.*\n((?:(?!\.Ed).*\n)*)\.Ed", text, re.MULTILINE)]

    def one(self, start):
        """The block that begins so."""
        found = [block for block in self.blocks if block.startswith(start)]
        assert len(found) == 1, f"{len(found)} blocks of {PAGE_PATH} begin with {start!r}"
        return found[0]

    def files(self, start):
        """{name: text} of the block: each file begins with a comment that has its path."""
        block = self.one(start)
        return {os.path.basename(path): text for path, text in
                re.findall(r"^# (/etc/postfix/\S+)\n((?:(?!# ).*\n)+)", block, re.MULTILINE)}

    def script(self, name):
        return self.one(f"#!/bin/sh\n# /etc/rxfer/{name}\n")


PAGE = Page()


class Recipe(runner.TestCase):
    """A primary with the maps of the page, a master with its lines, a backup; one server for all tests of the class."""

    part = ""            # of get-servers
    interval = 1         # seconds
    domains = ()

    @classmethod
    def setUpClass(cls):
        servers.need(cls.part)
        folder = env.new_folder(cls.__name__)
        cls.addClassCleanup(env.remove_folder, folder)
        cls.server = cls.make_server(folder)
        cls.addClassCleanup(cls.server.stop)

    def setUp(self):
        super().setUp()
        if not self.server.running():
            self.server.start()

    def write(self, name, text, mode=0o644):
        path = os.path.join(self.folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        os.chmod(path, mode)
        return path

    def script(self, name):
        """Makes a script of the page; what the class knows better is put in."""
        return self.write(name, self.adapted(PAGE.script(name)), 0o755)

    def adapted(self, text):
        return text

    def start(self, main_cf, zone, section=""):
        """section: all that makes the zone, instead of `postfix' and its maps."""
        if not (env.open_to_all(env.servers().root) and env.open_to_all(env.postfix().shlib_directory)):
            # proxymap loads the code of these maps when it has given up root, and couldn't from there.
            main_cf = {name: value.replace("proxy:", "") for name, value in main_cf.items()}
        self.primary = Postfix("primary", self.folder, {"recipient_delimiter": "+", **main_cf})
        pair = self.pair = Pair(self.folder, "", domains=("*",), zone=zone)
        section = section or (f'postfix {{ config_directory = "{self.primary.config}"  '
                              f'command_directory = "{env.postfix().bin}"  interval = {self.interval} }}')
        pair.master_text = pair.master_text.replace('source "map" {  }', section)
        pair.write()
        self.addCleanup(pair.stop)
        pair.start()

    def both(self):
        """Starts the two Postfix instances."""
        self.running(self.primary)
        self.backup = self.running(Postfix("backup", self.folder, {
            "relay_domains": self.pair.table("relay_domains"), "relay_recipient_maps": self.pair.table(),
            "recipient_delimiter": "+"}))

    def ask(self, locals_, unequal=()):
        """Every local part at every domain: both say the same, and both verdicts occur."""
        verdicts = []
        with smtp.Session(self.primary.port) as primary, smtp.Session(self.backup.port) as backup:
            for address in [f"{local}@{domain}" for local in locals_ for domain in (*self.domains, "nowhere.example")]:
                said = primary.verdict(address)
                verdicts.append(said[0] // 100)
                with self.subTest(address):
                    self.assertEqual((said[0] // 100, backup.verdict(address)[0] // 100), (verdicts[-1], verdicts[-1]),
                                     said)
        self.assertEqual(set(verdicts), {2, 5})

    def refresh(self):
        wait_for(lambda: self.pair.master.rxfer("refresh", "example")[0] == 0, 20, "rxfer refresh")

    def said(self):
        return " ".join(self.pair.master.rxfer("status")[1].split())

    def wait_said(self, *words, seconds=30):
        wait_for(lambda: all(word in self.said() for word in words), seconds,
                 lambda: f"{words} in the status\n{self.said()}\n{self.pair.logs()}")

    def wait_well(self):
        wait_for(lambda: self.pair.master.rxfer("status")[0] == 0, 30, lambda: f"all well again\n{self.said()}")

    def kill_while_listing(self, server, client):
        """SIGKILL to the server while one of its clients waits for the rest of its answer."""
        def listing():
            for pid in filter(str.isdigit, os.listdir("/proc")):
                with contextlib.suppress(OSError), \
                        open(f"/proc/{pid}/cmdline", encoding="utf-8", errors="replace") as f:
                    words = f.read().split("\0")
                    if os.path.basename(words[0]) == client and any(server.folder in word for word in words):
                        return True
            return False
        wait_for(listing, 30, f"a {client} that runs")
        server.kill()


# ---- PostfixAdmin ----

# The tables as PostfixAdmin makes them, as far as mail is concerned. BOOL and TRUE are replaced for each database.
TABLES = """
CREATE TABLE domain (domain varchar(255) NOT NULL PRIMARY KEY, description varchar(255) NOT NULL DEFAULT '',
    transport varchar(255), backupmx BOOL NOT NULL DEFAULT '0', active BOOL NOT NULL DEFAULT '1');
CREATE TABLE alias (address varchar(255) NOT NULL PRIMARY KEY, goto text NOT NULL, domain varchar(255) NOT NULL,
    active BOOL NOT NULL DEFAULT '1');
CREATE TABLE mailbox (username varchar(255) NOT NULL PRIMARY KEY, password varchar(255) NOT NULL DEFAULT 'x',
    maildir varchar(255) NOT NULL, domain varchar(255) NOT NULL, active BOOL NOT NULL DEFAULT '1');
CREATE TABLE alias_domain (alias_domain varchar(255) NOT NULL PRIMARY KEY, target_domain varchar(255) NOT NULL,
    active BOOL NOT NULL DEFAULT '1');
INSERT INTO domain (domain, active) VALUES ('ALL', '1'), ('one.example', '1'), ('two.example', '1'),
    ('off.example', '0'), ('alias.example', '1'), ('shut.example', '1'), ('catch.example', '1'), ('more.example', '1'),
    ('deep.example', '1');
INSERT INTO alias_domain VALUES ('alias.example', 'one.example', '1'), ('shut.example', 'one.example', '0'),
    ('more.example', 'catch.example', '1'), ('deep.example', 'catch.example', '1');
INSERT INTO mailbox (username, maildir, domain, active) VALUES ('anne@one.example', 'anne/', 'one.example', '1'),
    ('bob@one.example', 'bob/', 'one.example', '0'), ('o''neil@one.example', 'oneil/', 'one.example', '1'),
    ('Cap@one.example', 'cap/', 'one.example', '1'), ('void@one.example', '', 'one.example', '1'),
    ('solo@one.example', 'solo/', 'one.example', '1'), ('xone@off.example', 'x/', 'off.example', '1');
INSERT INTO alias (address, goto, domain, active) VALUES ('anne@one.example', 'anne@one.example', 'one.example', '1'),
    ('bob@one.example', 'bob@one.example', 'one.example', '0'), ('sales@one.example', 'anne@one.example', 'one.example',
    '1'), ('old@one.example', 'anne@one.example', 'one.example', '0'), ('empty@one.example', '', 'one.example', '1'),
    ('Info@two.example', 'anne@one.example', 'two.example', '1'), ('list@two.example', 'a@one.example,b@two.example',
    'two.example', '1'), ('@catch.example', 'anne@one.example', 'catch.example', '1'), ('named@catch.example',
    'anne@one.example', 'catch.example', '1'), ('xone@off.example', 'xone@off.example', 'off.example', '1');
"""
KEYS = {f"{local}@{domain}" for local in ("anne", "o'neil", "solo", "sales")
        for domain in ("one.example", "alias.example")}
KEYS |= {"list@two.example", "@catch.example", "@more.example", "named@catch.example", "named@more.example",
         "@deep.example", "named@deep.example"}
CHANGES = """
UPDATE mailbox SET active = '0' WHERE username = 'anne@one.example';
UPDATE alias SET active = '0' WHERE address = 'anne@one.example';
INSERT INTO mailbox (username, maildir, domain) VALUES ('carl@one.example', 'carl/', 'one.example');
UPDATE domain SET active = '1' WHERE domain = 'off.example';
UPDATE alias_domain SET active = '1' WHERE alias_domain = 'shut.example';
DELETE FROM alias_domain WHERE alias_domain = 'more.example';
"""
CHANGED = {f"{local}@{domain}" for local in ("o'neil", "solo", "sales", "carl")
           for domain in ("one.example", "alias.example", "shut.example")}
CHANGED |= {"list@two.example", "@catch.example", "named@catch.example", "@deep.example", "named@deep.example",
            "xone@off.example"}
LOCALS = ("anne", "Anne", "ANNE+ext", "bob", "carl", "o'neil", "cap", "Cap", "void", "solo", "sales", "old", "empty",
          "info", "Info", "list", "list+x", "named", "xone", "stranger", "annex", "postmaster", '"a b"')


class PostfixAdmin:
    """For each database a class of its own is made of this. Changes are told by `rxfer refresh'."""

    interval = 600

    domains = ("one.example", "two.example", "off.example", "alias.example", "shut.example", "catch.example",
               "more.example", "deep.example", "all")
    capitals = set()            # what a comparison that ignores capitals finds, too
    boolean = "tinyint(1)"
    grants = ""

    def setUp(self):
        super().setUp()
        self.server.create()
        self.server.sql(TABLES.replace("BOOL", self.boolean) + self.grants)

    def adapted(self, text):
        """The page writes it for MySQL."""
        text = text.replace("/etc/postfix/sql", os.path.join(self.folder, "sql"))
        return re.sub(r'( postfixadmin:\w+) postfix"', rf'\1 {self.server.arguments}"', text).replace(
            "mysql", self.server.kind)

    def query(self, text):
        return re.sub(r"CONCAT\(([^()]*)\)", lambda match: match[1].replace(", ", " || "), text)

    def main_cf(self):
        files = PAGE.files("# /etc/postfix/sql/")
        self.assertEqual(len(files), 6)
        for name, text in files.items():
            self.write("sql/" + self.adapted(name), self.server.settings + self.query(text))
        block = self.adapted(PAGE.one("virtual_mailbox_domains ="))
        settings = re.findall(r"^(\w+) =\n((?: .*\n)+)", block, re.MULTILINE)
        self.assertEqual(len(settings), 3)
        return {name: " ".join(value.split()) for name, value in settings}

    def begin(self):
        self.start(self.main_cf(), self.adapted(PAGE.one('treat "mysql:/etc/postfix/sql/')))
        self.pair.wait_keys(KEYS | self.capitals, 30)

    def test_the_backup_says_what_the_primary_says(self):
        self.begin()
        self.both()
        self.ask(LOCALS)
        self.server.sql(CHANGES)
        self.refresh()
        changed = CHANGED | {f"{key.partition('@')[0]}@shut.example" for key in self.capitals if "alias" in key}
        self.pair.wait_keys(changed | self.capitals, 60)
        wait_for(lambda: all(smtp.code(self.backup.port, f"{local}.example") == 250
                             for local in ("solo@shut", "xone@off")), 30, "the new domains at the backup's Postfix")
        self.ask(LOCALS)

    def sql(self, text):
        self.server.sql(text)
        self.refresh()

    def test_a_database_that_is_gone(self):
        self.begin()
        keys = self.pair.keys()
        self.server.kill()
        self.refresh()
        self.wait_said("rxfer-list-sql", "ended with status")
        self.assertEqual(self.pair.keys(), keys)
        self.server.start()
        self.sql("INSERT INTO mailbox (username, maildir, domain) VALUES ('new@two.example', 'n/', 'two.example')")
        self.pair.wait_keys(keys | {"new@two.example"}, 60)
        self.wait_well()

    def test_a_query_that_fails(self):
        self.begin()
        keys = self.pair.keys()
        self.sql("ALTER TABLE domain RENAME TO hidden")
        self.wait_said("virtual_mailbox_domains =")
        self.assertEqual(self.pair.keys(), keys)
        self.sql("ALTER TABLE hidden RENAME TO domain")
        self.wait_well()
        self.sql("ALTER TABLE alias_domain RENAME TO hidden")
        self.wait_said("postfixadmin:alias_domain", "ended with status")
        self.assertEqual(self.pair.keys(), keys)
        self.sql("ALTER TABLE hidden RENAME TO alias_domain")
        self.wait_well()
        self.assertEqual(self.pair.keys(), keys)

    def test_tables_that_are_empty(self):
        self.begin()
        keys = self.pair.keys()
        self.sql("CREATE TABLE kept AS SELECT * FROM alias; DELETE FROM alias")
        self.wait_said("held", "rxfer approve example")
        self.sql("UPDATE domain SET active = '0'")
        stays(lambda: self.pair.keys() == keys, 1, "nobody goes")
        self.sql("INSERT INTO alias SELECT * FROM kept; UPDATE domain SET active = '1' WHERE domain <> 'off.example'")
        self.wait_well()
        self.assertEqual(self.pair.keys(), keys)


class WithServer:
    def test_a_server_that_is_killed_while_it_answers(self):
        self.begin()
        keys = self.pair.keys()
        self.sql("ALTER TABLE alias RENAME TO fast; CREATE VIEW alias AS SELECT address, goto, domain, active "
                 f"FROM fast WHERE {self.slow}; GRANT SELECT ON alias TO {self.user}")
        self.kill_while_listing(self.server, self.client)
        self.wait_said("ended with status", "postfixadmin:alias")
        self.assertEqual(self.pair.keys(), keys)


class TestPostgreSQL(WithServer, PostfixAdmin, Recipe):
    part, make_server = "pgsql", servers.PostgreSQL
    boolean = "boolean"
    slow = "pg_sleep(0.5) IS NOT NULL"
    user, client = "rxfer", "psql"
    grants = PAGE.one("CREATE ROLE rxfer") + "GRANT SELECT ON ALL TABLES IN SCHEMA public TO postfix"


class TestMariaDB(WithServer, PostfixAdmin, Recipe):
    part, make_server = "mysql", servers.MariaDB
    capitals = {"cap@one.example", "cap@alias.example", "info@two.example"}
    slow = "sleep(0.5) = 0"
    user, client = "rxfer@localhost", "mariadb"
    grants = PAGE.one("CREATE USER rxfer@localhost").replace("VIA unix_socket", "BY 'secret'")

    def query(self, text):
        return text


class TestSQLite(PostfixAdmin, Recipe):
    part, make_server = "sqlite", servers.SQLite


# ---- Other SQL ----

class TestOtherSQL(Recipe):
    part, make_server = "pgsql", servers.PostgreSQL
    domains = ("vm.example", "two.example")

    def adapted(self, text):
        text = re.sub(r" mail$", f" {self.server.arguments}", text, flags=re.MULTILINE)
        return text.replace("/etc/postfix", self.folder).replace("/etc/rxfer", self.folder)

    def test_a_query_of_ones_own(self):
        self.server.create()
        self.server.sql("""
            CREATE TABLE users (email varchar(255), maildrop text, enabled integer);
            INSERT INTO users VALUES ('anne@vm.example', 'anne', 1), ('bob@vm.example', 'bob', 0),
                ('Cap@vm.example', 'c', 1), ('none@vm.example', NULL, 1), ('empty@vm.example', '', 1), ('o''neil@vm.example', 'o', 1),
                ('@two.example', 'all', 1), (NULL, 'x', 1);
            CREATE ROLE rxfer LOGIN; GRANT SELECT ON users TO rxfer, postfix;""")
        text = PAGE.files("# /etc/postfix/users.cf")["users.cf"]
        path = self.write("users.cf", self.server.settings + text)
        self.script("list-users")
        self.start({"virtual_mailbox_domains": "vm.example two.example", "virtual_mailbox_maps": f"pgsql:{path}"},
                   self.adapted(PAGE.one('treat "pgsql:/etc/postfix/users.cf"')))
        self.pair.wait_keys({"anne@vm.example", "o'neil@vm.example", "@two.example"}, 30)
        self.both()
        self.ask(("anne", "ANNE", "bob", "cap", "none", "empty", "o'neil", "x+y"))


# ---- LDAP ----

ENTRIES = """\
dn: dc=example,dc=com
objectClass: dcObject
objectClass: organization
o: Example

dn: cn=rxfer,dc=example,dc=com
objectClass: organizationalRole
objectClass: simpleSecurityObject
userPassword: secret

dn: ou=people,dc=example,dc=com
objectClass: organizationalUnit
"""


def person(name, *lines):
    """An entry: an account and a mail user at once; more lines as they are."""
    text = "".join(f"{line}\n" for line in lines)
    return (f"dn: cn={name},ou=people,dc=example,dc=com\nobjectClass: inetOrgPerson\nobjectClass: mailUser\n"
            f"objectClass: inetLocalMailRecipient\ncn: {name}\nsn: {name}\n{text}")


class TestLDAP(Recipe):
    part, make_server = "ldap", servers.OpenLDAP
    domains = ("vm.example", "va.example", "example.com")
    people = (
        person("anne", "uid: anne", "mail: anne@vm.example", "mail: Anne.Second@VM.example",
               "mailAlternateAddress: a@vm.example", "mailLocalAddress: anne@va.example",
               "mailRoutingAddress: anne@vm.example", "objectClass: posixAccount", "uidNumber: 1", "gidNumber: 1", "homeDirectory: /home/anne"),
        person("bob", "mail: bob@vm.example", "mailLocalAddress: bob@va.example"),          # without what the maps give
        person("o'neil", "uid: o'neil", "mail: o'neil@vm.example", "mailAlternateAddress: müller@vm.example",
               "mailAlternateAddress: müllerin@vm.example", "mailAlternateAddress: grüße@vm.example",
               "mailLocalAddress: @va.example", "mailRoutingAddress: x@vm.example"),
        person("zoe", "uid: Zoe", "objectClass: posixAccount", "uidNumber: 2", "gidNumber: 1",
               "homeDirectory: /home/zoe"))
    keys = {"anne@vm.example", "anne.second@vm.example", "a@vm.example", "anne@va.example", "o'neil@vm.example",
            "müller@vm.example", "müllerin@vm.example", "grüsse@vm.example", "@va.example", "anne@example.com",
            "zoe@example.com"}

    def adapted(self, text):
        for ours, theirs in (("-ZZ ", ""), ("ldap://ldap.example.com", self.server.uri),
                             ("/etc/rxfer/ldap.password", self.server.password_file), ("/etc/rxfer", self.folder),
                             ("/etc/postfix", self.folder)):
            text = text.replace(ours, theirs)
        return text

    def begin(self):
        self.server.stop()
        self.server.empty()
        self.restart("", "")
        self.server.modify("\n".join((ENTRIES, *self.people)))
        bind = "bind_dn = cn=rxfer,dc=example,dc=com\nbind_pw = secret\nversion = 3\n"
        names = ("users", "aliases", "accounts")
        for name in names:
            text = PAGE.files(f"# /etc/postfix/ldap-{name}.cf")[f"ldap-{name}.cf"]
            self.write(f"ldap-{name}.cf", self.adapted(text) + bind)
            self.script(f"list-ldap-{name}")
        self.start({"virtual_mailbox_domains": "vm.example example.com", "virtual_alias_domains": "va.example",
                    "virtual_mailbox_maps": f"ldap:{self.folder}/ldap-users.cf ldap:{self.folder}/ldap-accounts.cf",
                    "virtual_alias_maps": f"ldap:{self.folder}/ldap-aliases.cf"},
                   "".join(self.adapted(PAGE.one(f'treat "ldap:/etc/postfix/ldap-{name}.cf"')) for name in names))
        self.pair.wait_keys(self.keys, 30)

    def test_the_backup_says_what_the_primary_says(self):
        self.begin()
        self.both()
        locals_ = ("anne", "ANNE+x", "anne.second", "a", "bob", "o'neil", "müller", "MÜLLERIN", "zoe", "stranger",
                   "postmaster")
        self.ask(locals_)
        self.server.modify(person("new", "uid: new", "mail: new@vm.example") +
                           "\ndn: cn=zoe,ou=people,dc=example,dc=com\nchangetype: delete\n")
        self.pair.wait_keys((self.keys | {"new@vm.example"}) - {"zoe@example.com"}, 30)
        self.ask((*locals_, "new"))

    def test_a_server_that_is_gone(self):
        self.begin()
        self.server.kill()
        self.wait_said("list-ldap-users", "ended with status")
        self.assertEqual(self.pair.keys(), self.keys)
        self.server.start()
        self.wait_well()
        self.server.modify(person("new", "uid: new", "mail: new@vm.example"))
        self.pair.wait_keys(self.keys | {"new@vm.example"}, 30)

    def test_a_server_that_does_not_give_all(self):
        self.begin()
        keys = set(self.keys)
        # A limit that pages don't have; one of the whole, lifted for rxfer; and one that isn't lifted.
        for name, limit, lifted in (("one", "size.soft=2 size.hard=unlimited", ""),
                                    ("two", "2", PAGE.one("limits dn.exact="))):
            self.restart(f"sizelimit {limit}", lifted)
            self.server.modify(person(name, f"uid: {name}", f"mail: {name}@vm.example"))
            keys.add(f"{name}@vm.example")
            self.pair.wait_keys(keys, 30)
        self.restart("sizelimit 2", "")
        self.wait_said("ended with status 4", "Size limit exceeded")
        self.assertEqual(self.pair.keys(), keys)

    def restart(self, limits, more):
        self.server.stop()
        self.server.limits, self.server.more = limits, more
        self.server.start()


# ---- Dovecot ----

class TestDovecot(Recipe):
    part, domains = "dovecot", ("vm.example", "two.example", "example.com")
    users = ("anne@vm.example", "o'neil@vm.example", "Cap@two.example")
    keys = {"anne@vm.example", "o'neil@vm.example", "cap@two.example"}

    @staticmethod
    def make_server(folder):
        server = servers.Dovecot(folder, PAGE.one("service auth {"))
        server.write_users(TestDovecot.users)
        return server

    def setUp(self):
        super().setUp()
        self.server.write_users(self.users)

    def adapted(self, text):
        return text.replace("/run/dovecot", self.server.run_folder).replace("/etc/postfix", self.folder)

    def test_the_users_of_a_map(self):
        """Postfix has the same users, in a database of SQLite."""
        servers.need("sqlite")
        database = servers.SQLite(self.folder)
        database.sql("CREATE TABLE users (email text COLLATE NOCASE);" +
                     "".join("INSERT INTO users VALUES ('%s');" % user.replace("'", "''") for user in self.users))
        path = self.write("users.cf", database.settings + "query = SELECT email FROM users WHERE email = '%s'\n")
        self.start({"virtual_mailbox_domains": "vm.example two.example", "virtual_mailbox_maps": f"sqlite:{path}"},
                   self.adapted(PAGE.one('treat "sqlite:/etc/postfix/users.cf"')))
        self.pair.wait_keys(self.keys, 30)
        self.both()
        self.ask(("anne", "o'neil", "cap", "Cap", "anne+x", "stranger"))
        self.trouble()

    def test_the_users_alone(self):
        section = self.adapted(PAGE.one('source "users" {')).replace("domains =", "interval = 1  domains =")
        self.start({}, "", section)
        self.pair.wait_keys(self.keys, 30)
        self.server.write_users((*self.users, "bare"))
        self.pair.wait_keys(self.keys | {"bare@example.com"}, 30)
        self.server.write_users(self.users)
        self.pair.wait_keys(self.keys, 30)
        self.trouble()

    def trouble(self):
        os.rename(self.server.users, self.server.users + ".away")
        self.wait_said("user listing failed")
        os.rename(self.server.users + ".away", self.server.users)
        self.wait_well()
        self.server.kill()
        self.wait_said("doveadm", "ended with status")
        self.assertEqual(self.pair.keys(), self.keys)
        self.server.start()
        self.wait_well()


def setUpModule():
    os.environ["PATH"] = os.pathsep.join((env.servers().bin, os.path.join(env.SOURCE, "recipes"), os.environ["PATH"]))


if __name__ == "__main__":
    runner.main(servers=True, limit_seconds=900)
