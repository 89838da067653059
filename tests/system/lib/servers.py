"""servers.py: real databases, a directory and a Dovecot, each in a folder of its own and behind a Unix socket there.

    db = PostgreSQL(folder)            # made, not started
    db.start(); db.sql("SELECT 1"); db.kill(); db.start(); db.stop()

What they have in common: start() waits until the server answers; kill() is SIGKILL to all of its processes. SQL
databases have `kind' (as Postfix names it), `arguments' (for rxfer-list-sql, as the user rxfer), `settings' (lines for a
map file of Postfix), create() for an empty database named postfix, in the place of the last one, and the
administrator's sql().
"""
import contextlib
import os
import pwd
import shutil
import subprocess
import unittest
import urllib.parse

from . import child, env
from .wait import wait_for


def need(part):
    """Skips the test unless get-servers found this: pgsql, sqlite, ldap, mysql, dovecot."""
    why = getattr(env.servers(), f"{part}_missing", None)
    if why:
        raise unittest.SkipTest(f"{part}: {why}")


def run(command, text=None, **more):
    done = subprocess.run(command, input=text, text=True, capture_output=True, check=False, **more)
    if done.returncode != 0:
        raise AssertionError(f"{' '.join(command)}: exit {done.returncode}: {done.stderr}{done.stdout}")
    return done.stdout


class Server:
    """Attributes: folder, log_path."""

    def __init__(self, folder):
        self.where = env.servers()
        self.folder = os.path.join(folder, type(self).__name__.lower())
        self.log_path = os.path.join(self.folder, "server.log")
        os.makedirs(self.folder)
        self._process = None
        self.make()

    def program(self, name):
        return os.path.join(self.where.bin, name)

    def running(self):
        return self._process is not None

    def start(self):
        self._process = child.start(self.command(), self.log_path, env=self.environment(), cwd=self.folder)
        wait_for(self._answers, 60, lambda: f"an answer of {self.folder}\n{child.tail(self.log_path)}")
        return self

    def _answers(self):
        if self._process.poll() is not None:
            raise AssertionError(f"{self.folder}: ended at start\n{child.tail(self.log_path)}")
        try:
            self.ping()
            return True
        except AssertionError:
            return False

    def environment(self):
        return {**os.environ, "LC_ALL": "C.UTF-8"}

    def stop(self):
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(20)
            except subprocess.TimeoutExpired:
                pass
            self.kill()

    def kill(self):
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            child.kill_group(self._process.pid)
            self._process = None


class Public:
    """For servers that give up root before they start their programs: these must lie where any account gets to."""

    def public(self, path):
        """The path, or that of a copy of what was unpacked (hard links, where the file system can)."""
        root = self.where.root
        if not path.startswith(root) or env.open_to_all(root):
            return path
        copy = os.path.join(os.path.dirname(self.folder), "root")
        if not os.path.exists(copy):
            done = subprocess.run(["cp", "-al", root, copy], check=False, capture_output=True)
            if done.returncode != 0:
                shutil.rmtree(copy, ignore_errors=True)
                run(["cp", "-a", root, copy])
        return path.replace(root, copy)


class PostgreSQL(Public, Server):
    """Users: postgres may all; rxfer is recognised as the user who runs the tests (peer); postfix has a password."""

    kind = "pgsql"

    def make(self):
        self.account = pwd.getpwnam("nobody")
        self.data = os.path.join(self.folder, "data")
        os.chown(self.folder, self.account.pw_uid, self.account.pw_gid)
        run([*self._as_nobody(), self._program("initdb"), "-D", self.data, "-U", "postgres", "--auth=trust",
             "--no-sync", "-E", "UTF8", "--locale=C.UTF-8"], env=self.environment(), cwd=self.folder)
        self._write("pg_hba.conf", "local all postgres trust\nlocal all rxfer peer map=tests\n"
                                   "local all all scram-sha-256\n")
        self._write("pg_ident.conf", f"tests {pwd.getpwuid(os.geteuid()).pw_name} rxfer\n")
        self.arguments = f"'host={self.folder} dbname=postfix user=rxfer'"
        self.settings = f"hosts = unix:{self.folder}\nuser = postfix\npassword = secret\ndbname = postfix\n"

    def _write(self, name, text):
        with open(os.path.join(self.data, name), "w", encoding="utf-8") as f:
            f.write(text)

    def _as_nobody(self):
        return ["setpriv", f"--reuid={self.account.pw_uid}", f"--regid={self.account.pw_gid}", "--clear-groups"]

    def _program(self, name):
        return os.path.join(self.public(self.where.pgsql_bin), name)

    def environment(self):
        path = self.where.pgsql_library_path.replace(self.where.root, self.public(self.where.root))
        return {**super().environment(), **({"LD_LIBRARY_PATH": path} if path else {})}

    def command(self):
        return [*self._as_nobody(), self._program("postgres"), "-D", self.data, "-k", self.folder, "-h", "", "-F"]

    def _psql(self, database, text):
        return run([self.program("psql"), "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-h", self.folder, "-U",
                    "postgres", database], text)

    def ping(self):
        self._psql("postgres", "SELECT 1")

    def create(self):
        self._psql("postgres", """DROP DATABASE IF EXISTS postfix WITH (FORCE);
                                  DROP ROLE IF EXISTS postfix; DROP ROLE IF EXISTS rxfer;
                                  CREATE DATABASE postfix; CREATE ROLE postfix LOGIN PASSWORD 'secret';""")

    def sql(self, text):
        return self._psql("postfix", text)


class MariaDB(Server):
    """Users: root may all; rxfer and postfix have passwords."""

    kind = "mysql"

    def make(self):
        self.data = os.path.join(self.folder, "data")
        self.socket = os.path.join(self.folder, "socket")
        base = self.where.mysql_base
        self.places = ["--no-defaults", f"--basedir={base}", f"--datadir={self.data}", "--user=root",
                       f"--lc-messages-dir={base}/share/mysql"]
        run([self.program("mariadb-install-db"), *self.places, "--auth-root-authentication-method=normal",
             "--skip-test-db", "--skip-name-resolve", "--force"])         # there may be no name localhost
        option_file = os.path.join(self.folder, "my.cnf")
        with open(option_file, "w", encoding="utf-8") as f:
            f.write(f"[client]\nsocket = {self.socket}\nuser = rxfer\npassword = secret\n")
        os.chmod(option_file, 0o600)
        self.arguments = f"--defaults-extra-file={option_file} postfix"
        self.settings = f"hosts = unix:{self.socket}\nuser = postfix\npassword = secret\ndbname = postfix\n"

    def command(self):
        return [self.program("mariadbd"), *self.places, f"--socket={self.socket}", "--skip-networking",
                f"--pid-file={self.folder}/pid", "--character-set-server=utf8mb4", "--skip-log-bin",
                "--innodb-flush-log-at-trx-commit=0", f"--plugin-dir={self.where.mysql_base}/lib/mysql/plugin"]

    def _mariadb(self, text, *database):
        return run([self.program("mariadb"), "--no-defaults", f"--socket={self.socket}", "-u", "root", "--batch",
                    "--raw", "--skip-column-names", "--default-character-set=utf8mb4", *database], text)

    def ping(self):
        self._mariadb("SELECT 1")

    def create(self):
        self._mariadb("""DROP DATABASE IF EXISTS postfix;
                         DROP USER IF EXISTS postfix@localhost; DROP USER IF EXISTS rxfer@localhost;
                         CREATE DATABASE postfix CHARACTER SET utf8mb4;
                         CREATE USER postfix@localhost IDENTIFIED BY 'secret';
                         GRANT SELECT ON postfix.* TO postfix@localhost;""")

    def sql(self, text):
        return self._mariadb(text, "postfix")


class SQLite(Server):
    """No server: start() and kill() put the file there and take it away."""

    kind = "sqlite"

    def make(self):
        self.path = os.path.join(self.folder, "postfix.db")
        self.arguments = self.path
        self.settings = f"dbpath = {self.path}\n"

    def running(self):
        return os.path.exists(self.path)

    def start(self):
        if os.path.exists(self.path + ".away"):
            os.rename(self.path + ".away", self.path)
        return self

    def stop(self):
        pass

    def kill(self):
        os.rename(self.path, self.path + ".away")

    def create(self):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.path)

    def sql(self, text):
        return run([self.program("sqlite3"), "-batch", "-bail", "-cmd", ".timeout 10000", self.path], text)


class OpenLDAP(Server):
    """The suffix is dc=example,dc=com; cn=admin may all, cn=rxfer may read; both with the password `secret'. limits,
    more: lines of slapd.conf, before and in the part on the database; for the next start."""

    SCHEMA = ("attributetype ( 1.3.6.1.4.1.4203.666.1.1 NAME 'mailAlternateAddress' EQUALITY caseIgnoreMatch "
              "SUBSTR caseIgnoreSubstringsMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 )\n"
              "objectclass ( 1.3.6.1.4.1.4203.666.1.2 NAME 'mailUser' SUP top AUXILIARY "
              "MAY ( mail $ mailAlternateAddress ) )\n")

    def make(self):
        os.mkdir(os.path.join(self.folder, "db"))
        self.uri = "ldapi://" + urllib.parse.quote(os.path.join(self.folder, "socket"), safe="")
        self.limits = self.more = ""
        self.password_file = os.path.join(self.folder, "password")
        with open(self.password_file, "w", encoding="utf-8") as f:
            f.write("secret")
        os.chmod(self.password_file, 0o600)

    def command(self):
        config = os.path.join(self.folder, "slapd.conf")
        includes = "".join(f"include {self.where.ldap_schema}/{name}.schema\n"
                           for name in ("core", "cosine", "inetorgperson", "nis", "misc"))
        with open(config, "w", encoding="utf-8") as f:
            f.write(f"{includes}{self.SCHEMA}modulepath {self.where.ldap_modules}\nmoduleload back_mdb\n"
                    f"pidfile {self.folder}/pid\n{self.limits}\ndatabase mdb\nsuffix dc=example,dc=com\n"
                    f"directory {self.folder}/db\ndbnosync\nrootdn cn=admin,dc=example,dc=com\nrootpw secret\n"
                    f"access to * by dn.exact=cn=rxfer,dc=example,dc=com read by anonymous auth by * none\n{self.more}")
        return [self.program("slapd"), "-d", "0", "-h", self.uri, "-f", config]

    def _ldap(self, name, *arguments, text=None):
        return run([self.program(name), "-x", "-H", self.uri, "-D", "cn=admin,dc=example,dc=com", "-w", "secret",
                    *arguments], text)

    def ping(self):
        self._ldap("ldapsearch", "-b", "", "-s", "base")

    def empty(self):
        """While it doesn't run."""
        shutil.rmtree(os.path.join(self.folder, "db"))
        os.mkdir(os.path.join(self.folder, "db"))

    def modify(self, ldif):
        """LDIF, with `changetype' where something isn't added."""
        self._ldap("ldapmodify", "-a", text=ldif)


class Dovecot(Public, Server):
    """Users are those of the file `users'. more: lines of configuration, in which rxfer is the tests' own user."""

    def __init__(self, folder, more=""):
        self.more = more
        super().__init__(folder)

    def make(self):
        self.users = os.path.join(self.folder, "users")
        self.run_folder = os.path.join(self.folder, "run")
        self.config = os.path.join(self.folder, "dovecot.conf")
        self.libexec = self.public(self.where.dovecot_libexec)
        self.library_path = self.where.dovecot_library_path.replace(self.where.root, self.public(self.where.root))
        me = pwd.getpwuid(os.geteuid()).pw_name
        with open(self.config, "w", encoding="utf-8") as f:
            f.write(f"base_dir = {self.run_folder}\nstate_dir = {self.run_folder}\nlibexec_dir = {self.libexec}\n"
                    f"log_path = {self.log_path}\nprotocols =\nssl = no\nlisten = 127.0.0.1\n"
                    "default_internal_user = nobody\ndefault_internal_group = nogroup\ndefault_login_user = daemon\n"
                    f"import_environment = TZ LD_LIBRARY_PATH={self.library_path}\n"
                    f"passdb {{\n  driver = passwd-file\n  args = {self.users}\n}}\n"
                    f"userdb {{\n  driver = passwd-file\n  args = {self.users}\n"
                    f"  default_fields = uid=1000 gid=1000 home=/nonexistent\n}}\n"
                    + self.more.replace("user = rxfer", f"user = {me}"))

    def write_users(self, users):
        with open(self.users + ".new", "w", encoding="utf-8") as f:
            f.writelines(f"{user}:{{PLAIN}}secret::::::\n" for user in users)
        os.rename(self.users + ".new", self.users)

    def command(self):
        dovecot = self.program("dovecot")
        if self.library_path:
            dovecot = os.path.join(self.where.root, "usr/sbin/dovecot")
        return [self.program("doveconf"), "-c", self.config, "-f", "service=master", "-e", dovecot, "-F", "-c",
                self.config]

    def ping(self):
        run([self.program("doveadm"), "-c", "/dev/null", "user", "-a", f"{self.run_folder}/rxfer-userdb", "*"])
