#include "edge/cli/command_table.h"

#include "edge/cli/commands.h"

namespace coffer::cli {

namespace {

using Options = std::vector<OptionSpec>;

Options operator+(Options left, const Options& right) {
  left.insert(left.end(), right.begin(), right.end());
  return left;
}

OptionSpec flag(std::string name, std::string help) {
  return {.name = std::move(name),
          .value = {},
          .help = std::move(help),
          .environment = {},
          .values = Values::kAny,
          .choices = {}};
}
OptionSpec option(std::string name, std::string value, std::string help, Values values = Values::kAny) {
  return {.name = std::move(name),
          .value = std::move(value),
          .help = std::move(help),
          .environment = {},
          .values = values,
          .choices = {}};
}
OptionSpec choice(std::string name, std::string help, std::vector<std::string> choices) {
  std::string value;
  for (const std::string& c : choices) value += (value.empty() ? "" : "|") + c;
  return {.name = std::move(name),
          .value = value,
          .help = std::move(help),
          .environment = {},
          .values = Values::kChoice,
          .choices = std::move(choices)};
}
OptionSpec from_environment(OptionSpec spec, std::string variable) {
  spec.environment = std::move(variable);
  return spec;
}
OptionSpec repeatable(OptionSpec spec) {
  spec.repeatable = true;
  return spec;
}
ArgumentSpec argument(std::string name, std::string help, Values values = Values::kAny) {
  return {.name = std::move(name), .help = std::move(help), .values = values, .choices = {}};
}
ArgumentSpec optional(ArgumentSpec spec) {
  spec.required = false;
  return spec;
}
ArgumentSpec many(ArgumentSpec spec) {
  spec.repeatable = true;
  spec.required = false;
  return spec;
}

const OptionSpec kVault = from_environment(option("vault", "PLACE",
                                                  "where the vault is: a directory, or s3://BUCKET/PREFIX with "
                                                  "?endpoint=URL&region=NAME&path-style=true|false where needed; "
                                                  "credentials, region and endpoint come from the same variables and "
                                                  "files as aws-cli's",
                                                  Values::kDirectory),
                                           "COFFER_VAULT");
const OptionSpec kKey =
    from_environment(option("key", "KEY",
                            "what opens the vault: file:PATH (or just PATH), passphrase-file:PATH, "
                            "passphrase-env:NAME, passphrase-command:COMMAND, kms:KEY (an ARN, id "
                            "or alias; credentials and endpoint as for "
                            "aws-cli), escrow:SHARE,SHARE,..., or passphrase (asks at the terminal)",
                            Values::kFile),
                     "COFFER_KEY");
const Options kOutput = {flag("json", "one JSON document on standard output, progress as JSON lines on standard error"),
                         flag("quiet", "no progress and no notes; errors are still told")};
const Options kDaemon = {
    option("data", "DIR",
           "the data folder of an installation, whose credentials file signs; the usual AWS variables "
           "unless given",
           Values::kDirectory),
    from_environment(option("profile", "NAME", "an account's profile in the credentials file; its first unless given"),
                     "AWS_PROFILE"),
    from_environment(option("endpoint", "URL", "where the daemon answers; http://127.0.0.1:9420 unless given"),
                     "AWS_ENDPOINT_URL"),
    from_environment(option("region", "REGION", "which Region; us-east-1 unless given"), "AWS_DEFAULT_REGION")};
const Options kOpened = {kVault, kKey};
const Options kWork = {
    from_environment(option("jobs", "N", "worker tasks; as many as there are cores unless given"), "COFFER_JOBS"),
    from_environment(
        option("memory", "BYTES",
               "most bytes in flight, as in 512M; a quarter of the machine's memory and at most 1 GiB unless given"),
        "COFFER_MEMORY"),
    from_environment(
        option(
            "scratch", "DIR",
            "where temporary files go, in a private directory that is removed again; $TMPDIR or /var/tmp unless given",
            Values::kDirectory),
        "COFFER_SCRATCH")};
const Options kServers = {
    repeatable(option("pg-bin", "MAJOR=DIR",
                      "where the server programs of a major version are; also $COFFER_PG_BIN_<MAJOR>", Values::kAny))};
const Options kPolicy = {
    option("keep-within", "DURATION", "keep what is younger than this, as in 14d or 36h"),
    option("keep-last", "N", "keep the newest N points"),
    option("keep-daily", "N", "keep the newest point of each of the last N days that have one (UTC)"),
    option("keep-weekly", "N", "the same for ISO weeks"),
    option("keep-monthly", "N", "the same for months"),
    option("keep-yearly", "N", "the same for years")};
const Options kConfirm = {flag("dry-run", "explain what would go, what stays and why; change nothing"),
                          flag("yes", "do not ask")};
const Options kRestore = {
    option("until", "TARGET",
           "where recovery stops: a time with zone, lsn:X/X, xid:N, name:RESTORE_POINT, immediate, or latest (the end "
           "of the WAL in the point)"),
    repeatable(option("tablespace", "OLD=NEW", "put the tablespace that was at OLD (or has this oid) at NEW")),
    flag("delta", "bring an existing, stopped copy of the same cluster to the point: only what differs is written"),
    flag("keep-archiving", "leave archive settings on; otherwise a copy does not archive into the original's archive"),
    flag("standby", "make the copy a standby instead of promoting it")};

const char* const kPointHelp = "a point's id, a unique beginning of one, or latest";

}  // namespace

const std::vector<CommandSpec>& command_table() {
  static const std::vector<CommandSpec> table = {
      {.name = "vault init",
       .summary = "make a vault",
       .description =
           {"Makes a vault in an empty or missing directory, or in a bucket that exists, below a prefix that is empty. "
            "The "
            "store is asked to keep what a vault relies on before anything is written: one that lets two creations of "
            "an object both succeed is refused. Each --key makes a slot, and any one slot opens the "
            "vault; give two that "
            "different people keep in different places. Without a key nothing in the vault can ever be read again.",
            "There is no vault without encryption."},
       .examples = {{"coffer vault init --vault /srv/vault --key ops=file:/etc/coffer/ops.key --key officer=passphrase",
                     "a key file and a passphrase"},
                    {"coffer vault init --vault /srv/vault --key a=/etc/coffer/a.key --key b=/media/usb/b.key",
                     "two key files"},
                    {"coffer vault init --vault 's3://backups/prod?region=eu-west-1' --key a=/etc/coffer/a.key --key "
                     "b=/media/usb/b.key",
                     "in a bucket of Amazon S3"}},
       .arguments = {},
       .options = Options{kVault, repeatable(option("key", "[NAME=]KEY",
                                                    "a slot to make, and its name; KEY as in coffer help keys",
                                                    Values::kFile))} +
                  kOutput,
       .run = run_vault_init},
      {.name = "vault info",
       .summary = "what a vault is, and who can open it",
       .description = {"Needs no key; with one it also counts points and stored bytes."},
       .examples = {{"coffer vault info --vault /srv/vault", "identity and slots"},
                    {"coffer vault info --vault /srv/vault --key /etc/coffer/ops.key --json",
                     "everything, for a program"}},
       .arguments = {},
       .options = kOpened + kOutput,
       .run = run_vault_info},
      {.name = "keys generate",
       .summary = "write a new key file",
       .description = {"Writes 32 random bytes as text, mode 0600. An existing file is never overwritten."},
       .examples = {{"coffer keys generate /etc/coffer/ops.key", "a key file"},
                    {"coffer keys generate /media/usb/officer.key", "one that leaves the building"}},
       .arguments = {argument("FILE", "the file to write", Values::kFile)},
       .options = kOutput,
       .run = run_keys_generate},
      {.name = "keys list",
       .summary = "list the slots of a vault",
       .description = {"Needs no key. A name and a type say nothing about the key itself."},
       .examples = {{"coffer keys list --vault /srv/vault", "the slots"},
                    {"coffer keys list --vault /srv/vault --json", "for a program"}},
       .arguments = {},
       .options = Options{kVault} + kOutput,
       .run = run_keys_list},
      {.name = "keys add",
       .summary = "add a slot, so that one more key opens the vault",
       .description = {"The new slot is proven by opening it before the command returns."},
       .examples =
           {{"coffer keys add officer --new-key passphrase --vault /srv/vault --key /etc/coffer/ops.key",
             "asks for the passphrase twice"},
            {"coffer keys add site-b --new-key file:/media/usb/b.key --vault /srv/vault --key /etc/coffer/ops.key",
             "a second key file"}},
       .arguments = {argument("NAME", "the new slot's name")},
       .options = Options{option("new-key", "KEY", "the key of the new slot, written like --key", Values::kFile)} +
                  kOpened + kOutput,
       .run = run_keys_add},
      {.name = "keys remove",
       .summary = "remove a slot",
       .description = {"The wrapped copy of the vault's root goes. Whoever held the key and read the vault before may "
                       "have kept the root: this "
                       "takes back no knowledge. The last slot cannot be removed."},
       .examples = {{"coffer keys remove officer --vault /srv/vault --key /etc/coffer/ops.key", "asks first"},
                    {"coffer keys remove officer --vault /srv/vault --key /etc/coffer/ops.key --yes", "in a script"}},
       .arguments = {argument("NAME", "the slot's name", Values::kSlot)},
       .options = Options{flag("yes", "do not ask")} + kOpened + kOutput,
       .run = run_keys_remove},
      {.name = "backup",
       .summary = "take a recovery point of a running cluster",
       .description = {"Two sources give the same point. The local reader reads the data directory in parallel, on the "
                       "database's machine, as its user "
                       "or as root; on PostgreSQL 17 and later with summarize_wal it reads only what changed. The "
                       "replication stream works from "
                       "anywhere with the REPLICATION right alone.",
                       "Every point is a full one; what the vault has already is not stored again. A damaged page does "
                       "not fail the backup: the "
                       "point is marked, and the exit code is 3."},
       .examples = {{"coffer backup --vault /srv/vault --key /etc/coffer/ops.key --conninfo 'host=/var/run/postgresql'",
                     "the cluster on this machine"},
                    {"coffer backup --conninfo 'host=db1 user=coffer' --source stream --name nightly",
                     "over the network, vault and key from the environment"}},
       .arguments = {},
       .options =
           Options{from_environment(
                       option("conninfo", "CONNINFO",
                              "a libpq connection string or URI; without it libpq's own variables and defaults count"),
                       "COFFER_CONNINFO"),
                   option("pgdata", "DIR", "the data directory, for the local reader; asked of the server unless given",
                          Values::kDirectory),
                   choice("source",
                          "where the files come from; auto takes the local reader when the server runs here and its "
                          "files can be read",
                          {"auto", "local", "stream"}),
                   option("name", "LABEL", "a label for people"),
                   option("compress", "CODEC", "zstd:1 to zstd:19, lz4 or none; zstd:1 unless given"),
                   flag("read-everything",
                        "ignore WAL summaries and what the last point knows: decide from the bytes alone"),
                   choice("checkpoint", "how the server begins: fast at once, spread without haste; fast unless given",
                          {"fast", "spread"}),
                   option("max-rate", "BYTES", "most bytes a second of the replication stream, as in 50M")} +
           kOpened + kWork + kOutput,
       .run = run_backup_command},
      {.name = "points",
       .summary = "list recovery points: what is there, how proven, how old",
       .description = {"States: COMPLETED is committed; VERIFIED had all its bytes read and compared; PROVEN was "
                       "restored, started and queried; DAMAGED "
                       "failed its last check."},
       .examples = {{"coffer points --vault /srv/vault --key /etc/coffer/ops.key", "a table"},
                    {"coffer points --json", "for a monitor, vault and key from the environment"}},
       .arguments = {},
       .options = Options{flag("ids", "only the ids, one a line, oldest first")} + kOpened + kOutput,
       .run = run_points},
      {.name = "restore",
       .summary = "restore a point into a directory",
       .description = {"Every page is checked against its fingerprint on the way, and the directory gets its name only "
                       "when it is complete and synced. Run "
                       "again after a crash it goes on where it was. A directory that is not empty, that a server uses "
                       "or that holds another "
                       "cluster is refused."},
       .examples =
           {{"coffer restore latest --to /var/lib/postgresql/15/restored --vault /srv/vault --key /etc/coffer/ops.key",
             "the newest point"},
            {"coffer restore 20261124T12 --to /srv/pg --until '2026-11-24 12:20:00+00' --tablespace /fast=/srv/fast",
             "to a moment, with a tablespace elsewhere"}},
       .arguments = {argument("POINT", kPointHelp, Values::kPoint)},
       .options = Options{option("to", "DIR", "the data directory to make", Values::kDirectory)} + kRestore + kOpened +
                  kWork + kOutput,
       .run = run_restore_command},
      {.name = "recover",
       .summary = "restore with nothing but a vault and one of its keys",
       .description = {"For the day when everything else is gone. Without --to it lists the points that could be "
                       "restored; with --to it takes the newest "
                       "point that is not damaged, or the one that is named."},
       .examples = {{"coffer recover --vault /mnt/vault --key passphrase", "what is there"},
                    {"coffer recover --vault /mnt/vault --key passphrase --to /var/lib/postgresql/15/main",
                     "the newest point"}},
       .arguments = {optional(
           argument("POINT", std::string(kPointHelp) + "; the newest one unless given", Values::kPoint))},
       .options = Options{option("to", "DIR", "the data directory to make", Values::kDirectory),
                          option("kit", "FILE",
                                 "a recovery kit: its keysets take the place of the vault's, and --vault may be left "
                                 "out when the vault is where it was",
                                 Values::kFile)} +
                  kRestore + kOpened + kWork + kOutput,
       .run = run_recover},
      {.name = "copy",
       .summary = "copy points into a vault that somebody else keeps",
       .description =
           {"Sealed objects go as they are, and only those that are not there yet. The place that --to names becomes a "
            "mirror of this vault: "
            "the same points under the receiver's own keys, with a history, retention and collector of its own; "
            "whoever "
            "has the source can change nothing in it. "
            "Run it on the receiver's side, with what reads the source and nothing more.",
            "Every chunk is checked before it is stored, and the point is visible only when all of it is there and was "
            "read back. A copy that was interrupted goes "
            "on where it was, and a point whose copy is damaged is repaired. With --all, a point that is damaged in "
            "the source is told and left out, and the exit "
            "code "
            "is 3."},
       .examples =
           {{"coffer copy latest --vault /srv/vault --key /etc/coffer/b.key --to /mnt/second/vault --to-key "
             "own=/etc/coffer/own.key",
             "the newest point"},
            {"coffer copy --all --vault s3://backups/prod --key kms:alias/reader --to s3://second/prod --to-key "
             "own=kms:alias/own --to-key officer=passphrase-file:/etc/coffer/officer",
             "everything that is not there yet, into a mirror with two slots"}},
       .arguments = {many(argument("POINT", kPointHelp, Values::kPoint))},
       .options =
           Options{
               flag("all", "every point of the source that is not there yet, oldest first"),
               option("to", "PLACE", "where the mirror is, or is made; written like --vault", Values::kDirectory),
               repeatable(option("to-key", "[NAME=]KEY",
                                 "the receiver's key, written like --key; the first one opens the mirror, and a new "
                                 "mirror gets a slot for each",
                                 Values::kFile)),
               choice("verify",
                      "what is read back before a point counts: all of it, or what is new with it; all unless given",
                      {"all", "new"}),
               flag("no-lease",
                    "write nothing into the source, not even that it is being read; its collector may then take a "
                    "forgotten point away meanwhile"),
               flag("again",
                    "let a point that was forgotten in the mirror come back, under its id with a number behind it"),
               option("name", "LABEL", "what the receiver calls the copy")} +
           kOpened + kWork + kOutput,
       .run = run_copy_command},
      {.name = "witness",
       .summary = "sign how far a source's history has been seen, and refuse one that was rewritten",
       .description =
           {"Run it on the receiver's side, every few minutes. The history of the vault that --vault names is compared "
            "with everything that was signed before: an earlier state of the vault, a shortened or a forked history is "
            "told apart from one that only grew, and the exit code is 9. The new head is signed and kept in the "
            "receiver's own place, in the form of C2SP checkpoints.",
            "With --to-key, the mirror that is there is asked as well: the source must know each point that was copied "
            "from it."},
       .examples = {{"coffer witness --vault /srv/vault --key /etc/coffer/b.key --to /mnt/second/vault --witness-key "
                     "/etc/coffer/witness.key",
                     "of the history alone"},
                    {"coffer witness --vault s3://backups/prod --key kms:alias/reader --to s3://second/prod --to-key "
                     "kms:alias/own --witness-key /etc/coffer/witness.key --json",
                     "with the copies, for a monitor"}},
       .arguments = {},
       .options =
           Options{option("to", "PLACE", "the receiver's place, where the signed heads are kept", Values::kDirectory),
                   option("to-key", "KEY", "what opens the mirror there, written like --key", Values::kFile),
                   option("witness-key", "FILE", "a key file that makes the signing key; the source must not have it",
                          Values::kFile),
                   option("name", "NAME", "who signs; witness unless given")} +
           kOpened + kOutput,
       .run = run_witness},
      {.name = "kit write",
       .summary = "write the recovery kit of a vault",
       .description =
           {"One file with the keysets, what the vault is, where it was, what is in it, and what to do with it. It "
            "holds "
            "no secret and opens nothing by itself: keep it in many places, and write it again when slots change. "
            "With it and one key, coffer recover --kit opens a vault that lost its own keysets."},
       .examples = {{"coffer kit write --vault /srv/vault --key /etc/coffer/ops.key --to /media/usb/", "in a folder"},
                    {"coffer kit write --vault /srv/vault --key /etc/coffer/ops.key --to kit.json --add plans.json",
                     "in a file, with a document that belongs to it"}},
       .arguments = {},
       .options = Options{option("to", "PATH", "a file that does not exist, or a folder", Values::kFile),
                          repeatable(option("add", "FILE", "a text to put in: policies, plans, telephone numbers",
                                            Values::kFile))} +
                  kOpened + Options{kWork.back()} + kOutput,
       .run = run_kit_write},
      {.name = "kit check",
       .summary = "read a recovery kit, and try a key on it",
       .description = {"A drill that needs nothing but the kit and a key: which of its slots the key opens. Try every "
                       "key once a year, the escrow too."},
       .examples = {{"coffer kit check kit.json --key passphrase", "does the officer still know it?"},
                    {"coffer kit check kit.json --key escrow:a,b,c --json", "by three shares, for a program"}},
       .arguments = {argument("FILE", "the kit", Values::kFile)},
       .options = Options{kKey} + kOutput,
       .run = run_kit_check},
      {.name = "escrow create",
       .summary = "make a slot that opens when several people bring their shares together",
       .description =
           {"Splits a new key by Shamir's scheme, and writes each share to a file of its own: a line of 90 letters and "
            "digits that can be kept on paper and detects typing errors. Fewer shares than the threshold tell nothing. "
            "Two quorums are tried before the command returns.",
            "Give each share to another holder and remove the files."},
       .examples = {{"coffer escrow create officers --to /media/usb --vault /srv/vault --key /etc/coffer/ops.key",
                     "three of five"},
                    {"coffer escrow create board --shares 3 --threshold 2 --to /root/shares --vault /srv/vault --key "
                     "/etc/coffer/ops.key",
                     "two of three"}},
       .arguments = {argument("NAME", "the new slot's name")},
       .options = Options{option("shares", "N", "how many shares; 5 unless given"),
                          option("threshold", "M", "how many of them open the vault; 3 unless given"),
                          option("to", "DIR", "the folder for the files with the shares", Values::kDirectory)} +
                  kOpened + kOutput,
       .run = run_escrow_create},
      {.name = "escrow check",
       .summary = "are these the right shares, and enough?",
       .description = {"Says of each file which share it is, of which set, and whether it is what was handed out; then "
                       "whether together they open the vault. Exit code 3: something is wrong, and is named."},
       .examples = {{"coffer escrow check a.txt b.txt c.txt --vault /srv/vault", "three shares"},
                    {"coffer escrow check *.txt --vault /srv/vault --json", "for a program"}},
       .arguments = {many(argument("SHARE", "a file with a share", Values::kFile))},
       .options = Options{kVault} + kOutput,
       .run = run_escrow_check},
      {.name = "escrow drill",
       .summary = "open the vault by shares alone, and read its newest point",
       .description = {"The yearly exercise. What the shares opened reads every page of the newest point; that it was "
                       "done is written down in the vault, and coffer doctor warns when the last time is more than a "
                       "year ago.",
                       "To let a new key in with shares: coffer keys add NAME --new-key KEY --key "
                       "escrow:SHARE,SHARE,..."},
       .examples = {{"coffer escrow drill a.txt b.txt c.txt --vault /srv/vault", "with three shares"},
                    {"coffer escrow drill a.txt b.txt c.txt --vault /srv/vault --json", "for the file"}},
       .arguments = {many(argument("SHARE", "a file with a share", Values::kFile))},
       .options = Options{kVault} + kWork + kOutput,
       .run = run_escrow_drill_command},
      {.name = "verify",
       .summary = "read back every byte of points and compare",
       .description =
           {"Opens every object, decompresses every chunk, compares every page with its fingerprint and every file "
            "with its digest, with the "
            "code that restores. Damage is listed by object and by the points that need it; the exit code is then 3."},
       .examples = {{"coffer verify --all --vault /srv/vault --key /etc/coffer/ops.key",
                     "every object of the vault and every point"},
                    {"coffer verify latest", "the newest point"}},
       .arguments = {many(argument("POINT", kPointHelp, Values::kPoint))},
       .options = Options{flag("all", "every point and every object, also those that no point needs")} + kOpened +
                  kWork + kOutput,
       .run = run_verify_command},
      {.name = "prove",
       .summary = "restore a point into scratch, start it, check and query it",
       .description = {"Needs the server programs of the point's major version and bubblewrap: the copy runs in a "
                       "sandbox without network, with a "
                       "configuration of its own. Recovery, amcheck, row counts of every table and page checksums; the "
                       "result is sealed "
                       "beside the point. A check that could not run is a failure with exit code 10."},
       .examples = {{"coffer prove latest --vault /srv/vault --key /etc/coffer/ops.key", "the newest point"},
                    {"coffer prove latest --thorough --pg-bin 17=/opt/pg17/bin",
                     "with a given server, every index entry against its table"}},
       .arguments = {argument("POINT", kPointHelp, Values::kPoint)},
       .options = Options{flag("thorough", "also look for every table row in every index"),
                          flag("keep-scratch", "leave the restored copy and say where it is")} +
                  kServers + kOpened + kWork + kOutput,
       .run = run_prove_command},
      {.name = "export",
       .summary = "write a point's tables as Parquet files, proven row by row",
       .description =
           {"Restores the point into scratch, starts the sandboxed server that coffer prove starts, and writes each "
            "table as Parquet below DIR/NAME. Then every file is read again, and its counts and digests are compared "
            "with those that the server computes by SQL. Layout typed keeps the type of each value and can be loaded "
            "again; layout rds is what Amazon RDS writes when it exports a snapshot of PostgreSQL.",
            "coffer export verify DIR reads an export again and compares it with its manifest; with --vault and --key "
            "it also checks that this vault signed it. The exit code is 3 when something differs."},
       .examples = {{"coffer export latest --to /srv/exports --vault /srv/vault --key /etc/coffer/ops.key",
                     "everything of the newest point, typed"},
                    {"coffer export latest --to /srv/exports --layout rds --only shop.public --name nightly-1",
                     "one schema, as RDS would"},
                    {"coffer export verify /srv/exports --name nightly-1", "is it still what was exported?"}},
       .arguments = {many(argument("POINT", std::string(kPointHelp) + "; or: verify DIR", Values::kPoint))},
       .options =
           Options{option("to", "DIR", "the folder for the export; it is made when it is missing", Values::kDirectory),
                   choice("layout", "which types and file names; typed unless given", {"typed", "rds"}),
                   repeatable(option("only", "NAME", "DATABASE, DATABASE.SCHEMA or DATABASE.SCHEMA.TABLE")),
                   option("name", "NAME", "the export's own folder below DIR; point-<id> unless given"),
                   flag("allow-skipped", "leave out what cannot be exported and name it, instead of failing")} +
           kServers + kOpened + kWork + kOutput,
       .run = run_export_command},
      {.name = "import",
       .summary = "load a typed export into an empty PostgreSQL database",
       .description =
           {"Makes the schema, loads every table in parallel, then makes indexes and constraints. Counts and digests "
            "of "
            "what was loaded are compared with those of the files, and the files with the manifest. Roles are not "
            "made: they are in coffer_schema/globals.sql of the export; what is made belongs to the role that "
            "connects. An export without a schema gives tables and their columns, and says so. With --vault and --key "
            "it "
            "also checks that this vault signed the export."},
       .examples = {{"coffer import /srv/exports --conninfo 'host=db2 dbname=shop'", "the only export there"},
                    {"coffer import /srv/exports --name nightly-1 --database shop --conninfo 'dbname=shop'",
                     "one database of one export"}},
       .arguments = {argument("DIR", "the folder that the export was written to", Values::kDirectory)},
       .options = Options{option("conninfo", "CONNINFO", "the empty database: a libpq connection string or URI"),
                          option("database", "NAME", "which database of the export, when it has several"),
                          option("name", "NAME", "which export, when there are several")} +
                  kOpened + kWork + kOutput,
       .run = run_import_command},
      {.name = "why",
       .summary = "why a point is kept, when it goes, what it costs",
       .description = {"With the options of a retention policy it tells what that policy would do with the point."},
       .examples = {{"coffer why latest --vault /srv/vault --key /etc/coffer/ops.key",
                     "what it costs and how it was checked"},
                    {"coffer why 20261124T12 --keep-daily 7 --keep-monthly 12", "what this policy says of it"}},
       .arguments = {argument("POINT", kPointHelp, Values::kPoint)},
       .options = kPolicy + kOpened + kWork + kOutput,
       .run = run_why_command},
      {.name = "forget",
       .summary = "give up recovery points, by id or by policy",
       .description = {"Explains each point first, then asks. Rules apply to each cluster by itself. The last proven "
                       "point of a cluster stays unless it is named "
                       "and --even-last-proven is given. Space is freed by coffer collect."},
       .examples = {{"coffer forget --keep-within 7d --keep-daily 30 --keep-monthly 12 --dry-run",
                     "what a policy would do"},
                    {"coffer forget 20261124T121930Z-3f9a2b1c --yes", "one point, in a script"}},
       .arguments = {many(argument("POINT", kPointHelp, Values::kPoint))},
       .options = kPolicy +
                  Options{flag("even-last-proven", "also the last proven point of a cluster, when it is named")} +
                  kConfirm + kOpened + kOutput,
       .run = run_forget},
      {.name = "collect",
       .summary = "free the space that no point needs",
       .description = {"Safe while backups run. What no point needs is first marked, and removed by a later run once "
                       "the grace period is over and it is "
                       "still unneeded."},
       .examples = {{"coffer collect --vault /srv/vault --key /etc/coffer/ops.key", "once a day, from a timer"},
                    {"coffer collect --dry-run", "what could be freed"}},
       .arguments = {},
       .options = Options{option("grace", "DURATION", "how long between mark and removal, as in 24h; 24h unless given"),
                          flag("dry-run", "count only; change nothing")} +
                  kOpened + kWork + kOutput,
       .run = run_collect},
      {.name = "doctor",
       .summary = "what is wrong, why, and what to do next",
       .description = {"Looks at this machine; with --vault and --key at the vault; with --conninfo at a database as a "
                       "source; with --data at the accounts of an installation: keys that are lent, roles with too "
                       "many rights, functions that are cut off or lose what they fail at, replicas without a "
                       "lifecycle, vaults without a lock. Exit code 0: nothing is "
                       "wrong, though there may be advice; 3: something is."},
       .examples = {{"coffer doctor --vault /srv/vault --key /etc/coffer/ops.key --conninfo 'host=db1 user=coffer'",
                     "everything"},
                    {"coffer doctor --data /srv/coffer --region us-east-2",
                     "what is weak in the accounts of the daemon that runs on this folder"},
                    {"coffer doctor --json", "this machine alone, for a monitor"}},
       .arguments = {},
       .options =
           Options{
               from_environment(option("conninfo", "CONNINFO", "a database to look at as a source"), "COFFER_CONNINFO"),
               option("pgdata", "DIR", "its data directory, for the local reader", Values::kDirectory),
               option("data", "DIR",
                      "the data folder of an installation: the accounts in its credentials file are looked at "
                      "through its daemon, which must run",
                      Values::kDirectory),
               from_environment(
                   option("endpoint", "URL", "where that daemon answers; http://127.0.0.1:9420 unless given"),
                   "AWS_ENDPOINT_URL"),
               from_environment(option("region", "REGION", "which Region is looked at; us-east-1 unless given"),
                                "AWS_DEFAULT_REGION")} +
           kServers + kOpened + kWork + kOutput,
       .run = run_doctor_command},
      {.name = "database add",
       .summary = "register a running database with an installation",
       .description =
           {"The daemon connects with CONNINFO as backups will, pins which cluster it is, and seals the "
            "connection under a KMS key. From then on it is a DB instance of the account: aws rds "
            "describe-db-instances shows it, and plans back it up.",
            "Without --pgdata backups use the replication stream: the role needs REPLICATION, and pg_hba.conf "
            "a replication line. With --pgdata the daemon reads that folder on its own machine. Exit code 3: "
            "registered, and what backups still lack is listed."},
       .examples = {{"coffer database add orders --data /srv/coffer --conninfo 'host=db1 user=backup password=...'",
                     "by the replication stream"},
                    {"coffer database add orders --data /srv/coffer --conninfo 'host=/run/postgresql user=postgres' "
                     "--pgdata /var/lib/postgresql/15/main --tag team=shop",
                     "on the daemon's machine"}},
       .arguments = {argument("NAME", "a name: letters, digits and single hyphens, a letter first")},
       .options =
           Options{from_environment(option("conninfo", "CONNINFO", "how the server is reached"), "COFFER_CONNINFO"),
                   option("pgdata", "DIR", "its data directory, as the daemon sees it", Values::kDirectory),
                   option("kms-key", "KEY",
                          "what seals the connection and snapshots: a key's id, ARN or alias; "
                          "the account's alias/aws/rds unless given"),
                   repeatable(option("tag", "KEY=VALUE", "a tag of the DB instance")),
                   flag("protect", "refuse to remove it until the protection is switched off")} +
           kDaemon + kOutput,
       .run = run_database_add},
      {.name = "database list",
       .summary = "the registered databases of an account",
       .description = {"Status is of the last probe, which is at most a minute or so old."},
       .examples = {{"coffer database list --data /srv/coffer", "of the first account"},
                    {"coffer database list --data /srv/coffer --profile second --json", "of another, for a program"}},
       .arguments = {},
       .options = kDaemon + kOutput,
       .run = run_database_list},
      {.name = "database show",
       .summary = "what is known of one registered database",
       .description = {"Without its password, which nobody can ask for."},
       .examples = {{"coffer database show orders --data /srv/coffer", "of the first account"},
                    {"coffer database show orders --data /srv/coffer --region eu-west-1", "in another Region"}},
       .arguments = {argument("NAME", "its name")},
       .options = kDaemon + kOutput,
       .run = run_database_show},
      {.name = "database remove",
       .summary = "register a database no more",
       .description =
           {"The server is left alone, and so are its recovery points and snapshots. Plans find it no more."},
       .examples = {{"coffer database remove orders --data /srv/coffer", "of the first account"},
                    {"coffer database remove orders --data /srv/coffer --profile second", "of another"}},
       .arguments = {argument("NAME", "its name")},
       .options = kDaemon + kOutput,
       .run = run_database_remove},
      {.name = "database check",
       .summary = "connect to a registered database now and tell what backups lack",
       .description = {"Names each grant, pg_hba.conf line and setting that is missing, and what to do about it. Exit "
                       "code 3: something is."},
       .examples = {{"coffer database check orders --data /srv/coffer", "of the first account"},
                    {"coffer database check orders --data /srv/coffer --json", "for a monitor"}},
       .arguments = {argument("NAME", "its name")},
       .options = kDaemon + kOutput,
       .run = run_database_check},
      {.name = "up",
       .summary = "the daemon in the foreground, with embedded defaults",
       .description = {"Serves the AWS APIs of one installation until it is interrupted. The first start makes the "
                       "data folder: a catalog, a keyset "
                       "with two slots, and an account with root credentials for each --account. DIR/credentials is an "
                       "AWS shared credentials file with "
                       "a profile for each account.",
                       "Take DIR/recovery.key away to another place: it opens the installation when "
                       "DIR/keys/installation.key is lost. For a service, "
                       "write the same settings into a file and run cofferd --config FILE."},
       .examples = {{"coffer up --data /srv/coffer", "one account, main, on 127.0.0.1:9420"},
                    {"coffer up --data /srv/coffer --account main=111111111111 --account second=222222222222 --region "
                     "us-east-2",
                     "two accounts"}},
       .arguments = {},
       .options =
           Options{
               option("data", "DIR", "the folder of the installation", Values::kDirectory),
               option("listen", "HOST:PORT", "where to listen; 127.0.0.1:9420 unless given"),
               repeatable(option("region", "REGION",
                                 "a Region that exists here; the first is the default; us-east-1 unless given")),
               repeatable(option(
                   "account", "NAME=ID",
                   "an account and its id of 12 digits, made when it does not exist; main=111111111111 unless given")),
               option("catalog", "WHERE", "postgresql://... instead of a file in the data folder"),
               option("certificate", "FILE", "a PEM certificate chain; with --private-key it turns TLS on",
                      Values::kFile),
               option("private-key", "FILE", "the certificate's PEM private key", Values::kFile),
               flag("plain-http-anywhere", "allow plain HTTP on addresses that other machines reach")} +
           kOutput,
       .run = run_up},
      {.name = "audit verify",
       .summary = "check the audit log of an installation, offline",
       .description = {"Recomputes the chain over every record and checks every signed checkpoint. Needs the catalog "
                       "and the public key alone; "
                       "no daemon. What follows the last checkpoint is chained, but not signed yet, and is counted "
                       "apart. Exit code 3: "
                       "something was altered, and is named."},
       .examples = {{"coffer audit verify --data /srv/coffer", "with the key in the data folder"},
                    {"coffer audit verify --data /srv/coffer --public-key 8a3f0c61",
                     "with a key that was kept elsewhere"}},
       .arguments = {},
       .options = Options{option("data", "DIR", "the folder of the installation", Values::kDirectory),
                          option("catalog", "WHERE", "postgresql://... when the catalog is there"),
                          option("public-key", "HEX", "the log's public key; DIR/audit.pub unless given")} +
                  kOutput,
       .run = run_audit_verify},
      {.name = "bucket replicate",
       .summary = "replicate what a bucket had before its rules",
       .description =
           {"Replication begins with the objects that are put after its rules. This queues the older versions, "
            "and those that failed, in their order; the daemon carries them out as it does all others. Works on "
            "the catalog, while a daemon runs or not."},
       .examples = {{"coffer bucket replicate exports --data /srv/coffer",
                     "what was never replicated, and what failed"},
                    {"coffer bucket replicate exports --data /srv/coffer --status FAILED", "only what failed"}},
       .arguments = {argument("BUCKET", "the bucket's name", Values::kAny)},
       .options = Options{option("data", "DIR", "the folder of the installation", Values::kDirectory),
                          option("catalog", "WHERE", "postgresql://... when the catalog is there"),
                          repeatable(option(
                              "status", "STATUS",
                              "NONE, FAILED or COMPLETED: whose status this is; NONE and FAILED unless given"))} +
                  kOutput,
       .run = run_bucket_replicate},
      {.name = "completion",
       .summary = "print a completion script for a shell",
       .description = {"Completes commands, options, files and, when vault and key are in the environment, points."},
       .examples = {{"coffer completion bash > /etc/bash_completion.d/coffer", "for bash"},
                    {"coffer completion zsh > /usr/local/share/zsh/site-functions/_coffer", "for zsh"}},
       .arguments = {{.name = "SHELL", .help = "bash or zsh", .values = Values::kChoice, .choices = {"bash", "zsh"}}},
       .options = {},
       .run = run_completion},
      {.name = "man",
       .summary = "print a manual page",
       .description = {"The source of the page, for man or mandoc."},
       .examples = {{"coffer man | man -l -", "the page of the tool"},
                    {"coffer man backup | man -l -", "the page of a command"}},
       .arguments = {many(argument("COMMAND", "a command; the whole tool unless given", Values::kCommand))},
       .options = {},
       .run = run_man},
      {.name = "help",
       .summary = "help on a command or a topic",
       .description = {"Topics: exit-codes, keys, environment."},
       .examples = {{"coffer help backup", "the same as coffer backup --help"},
                    {"coffer help exit-codes", "what the exit codes mean"}},
       .arguments = {many(argument("TOPIC", "a command, exit-codes, keys or environment", Values::kCommand))},
       .options = {},
       .run = run_help},
      {.name = "version",
       .summary = "print the version",
       .description = {},
       .examples = {{"coffer version", "one line"}, {"coffer version --json", "for a program"}},
       .arguments = {},
       .options = Options{flag("json", "one JSON document on standard output")},
       .run = run_version},
  };
  return table;
}

const CommandSpec* find_command(std::string_view name) {
  for (const CommandSpec& command : command_table())
    if (command.name == name) return &command;
  return nullptr;
}

std::vector<const CommandSpec*> commands_of_group(std::string_view group) {
  std::vector<const CommandSpec*> found;
  for (const CommandSpec& command : command_table())
    if (command.name.starts_with(std::string(group) + " ")) found.push_back(&command);
  return found;
}

}  // namespace coffer::cli
