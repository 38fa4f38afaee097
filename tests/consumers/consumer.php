#!/usr/bin/env php
<?php
/*
 * A consumer of Tickstream's stream.  Copy it, replace handle(), and run as many of it as you like.
 *
 * Needs PHP 8.1 on the command line with pcntl and posix, phpredis 5.3.5 or later and PDO's driver of SQLite (php-cli, php-redis
 * and php-sqlite3 of Debian), and Redis 7.  A line of stderr tells each kind of trouble when it begins, and one when it is
 * over; it ends by SIGTERM or SIGINT alone, with what it has in hand finished.
 *
 * REDIS_URL    redis://localhost:6379/0, rediss://, unix:///PATH, redis+sentinel://host:port,host:port/NAME/db,
 *              redis+cluster://host:port,host:port; each may have user:password@
 * STREAM       whatsapp:statuses
 * PARTITIONS   1; N > 1: STREAM:0 to STREAM:N-1, as STREAM_PARTITIONS says
 * CONSUMERS    1   with ORDINAL (0): this one reads the partitions p with p % CONSUMERS == ORDINAL
 * GROUP        billing
 * CONSUMER     host-pid-random; two that run at once must not have the same name
 * DATABASE     consumer.db: a file of SQLite; for PostgreSQL openDatabase() is another one, and the SQL stays
 * CLAIM_IDLE   60000: after so many milliseconds without a sign of life an entry is taken from the consumer that has it
 * DELIVERIES   5: an entry that has failed so often goes to {STREAM}:dead
 *
 * PHP has no threads: each partition is read by a process of its own, and each of these has a small one that gives its signs
 * of life.  All of them end when the one that you have started ends, however that comes.
 */
declare(strict_types=1);

function setting(string $name, string $default): string
{
    return (string) getenv($name) !== '' ? getenv($name) : $default;
}

define('REDIS_URL', setting('REDIS_URL', 'redis://localhost:6379/0'));
define('STREAM', setting('STREAM', 'whatsapp:statuses'));
define('PARTITIONS', (int) setting('PARTITIONS', '1'));
define('CONSUMERS', (int) setting('CONSUMERS', '1'));
define('ORDINAL', (int) setting('ORDINAL', '0'));
define('GROUP', setting('GROUP', 'billing'));
define('CONSUMER', setting('CONSUMER', gethostname() . '-' . getmypid() . '-' . bin2hex(random_bytes(4))));
define('DATABASE', setting('DATABASE', 'consumer.db'));
define('CLAIM_IDLE', (int) setting('CLAIM_IDLE', '60000'));
define('DELIVERIES', (int) setting('DELIVERIES', '5'));
const BATCH = 100;              // entries that are read, and handled in one transaction
define('BLOCK', max(1, min(1000, intdiv(CLAIM_IDLE, 2))));      // milliseconds: how long a read waits, and so how long SIGTERM may take

const SCHEMA = <<<'SQL'
CREATE TABLE IF NOT EXISTS entries (
    stream TEXT NOT NULL,
    entry_id TEXT NOT NULL,
    PRIMARY KEY (stream, entry_id)
);
CREATE TABLE IF NOT EXISTS messages (
    id TEXT PRIMARY KEY CHECK (length(id) BETWEEN 1 AND 512),
    recipient TEXT NOT NULL,
    status TEXT NOT NULL DEFAULT '',
    rank INTEGER NOT NULL DEFAULT 0,
    at BIGINT NOT NULL DEFAULT 0 CHECK (at BETWEEN 0 AND 99999999999),
    failed BIGINT CHECK (failed BETWEEN 0 AND 99999999999),
    updates INTEGER NOT NULL DEFAULT 1
);
SQL;
const RANKS = ['sent' => 1, 'delivered' => 2, 'read' => 3, 'played' => 4];

/* What handle() throws when the trouble is not the entry's: it is tried again for as long as it takes. */
final class Later extends Exception
{
}

// Replace this ---------------------------------------------------------------------------------------------------------

/*
 * What an entry does, in a transaction that is committed before the entry is acknowledged: all of it counts once.
 *
 * What is done outside of $db may happen twice.  An exception (a warning of PHP is one too) means that the entry cannot be
 * handled; after DELIVERIES of them it goes to {STREAM}:dead.
 */
function handle(PDO $db, array $status): void
{
    [$message, $at] = [$status['id'], $status['timestamp'] === '' ? '0' : $status['timestamp']];
    if (!ctype_digit($at)) {
        throw new UnexpectedValueException("the timestamp is no number: $at");
    }
    $db->prepare('INSERT INTO messages (id, recipient) VALUES (?, ?)'
        . ' ON CONFLICT (id) DO UPDATE SET updates = messages.updates + 1')->execute([$message, $status['recipient_id']]);
    if ($status['status'] === 'failed') {
        $db->prepare('UPDATE messages SET failed = ? WHERE id = ? AND failed IS NULL')->execute([$at, $message]);
    } elseif ($rank = RANKS[$status['status']] ?? 0) {          // one of a later Meta is counted, and changes nothing
        $db->prepare('UPDATE messages SET status = ?, rank = ?, at = ? WHERE id = ? AND rank < ?')
            ->execute([$status['status'], $rank, $at, $message, $rank]);
    }
}

// The rest may stay as it is -------------------------------------------------------------------------------------------

function openDatabase(): PDO
{
    $db = new PDO('sqlite:' . DATABASE, null, null, [PDO::ATTR_TIMEOUT => 5, PDO::ATTR_ERRMODE => PDO::ERRMODE_EXCEPTION]);
    $db->exec('PRAGMA journal_mode = WAL');
    $db->exec('PRAGMA synchronous = FULL');     // what is committed survives the loss of power: only then is it acknowledged
    $db->exec(SCHEMA);
    return $db;
}

/* All of them in one transaction, or none. */
function handleOnce(PDO $db, string $stream, array $entries): void
{
    $db->exec('BEGIN IMMEDIATE');
    try {
        $insert = $db->prepare('INSERT INTO entries (stream, entry_id) VALUES (?, ?) ON CONFLICT DO NOTHING');
        foreach ($entries as $id => $status) {
            $insert->execute([$stream, $id]);
            if ($insert->rowCount() > 0) {
                handle($db, $status);
            }
        }
        $db->exec('COMMIT');
    } catch (Throwable $e) {
        try {
            $db->exec('ROLLBACK');
        } catch (PDOException) {        // it has done so by itself
        }
        throw $e;
    }
}

/* Whether the database is at fault (it is locked, full, away), and not what is in the entry. */
function isLater(Throwable $e): bool
{
    if ($e instanceof PDOException) {
        [$state, $code] = ($e->errorInfo ?? []) + ['', 0];
        return !in_array(substr((string) $state, 0, 2), ['22', '23'], true) && $code !== 20;    // 20: SQLITE_MISMATCH
    }
    return $e instanceof Later;
}

function connect(): Redis|RedisCluster
{
    $form = '~^(?:redis|unix)(s?)(?:\+(sentinel|cluster))?://(?:([^@]*)@)?([^/?]*)([^?]*)(?:\?db=(\d+))?$~';
    preg_match($form, REDIS_URL, $parts) || throw new RedisException('REDIS_URL is not understood');
    [, $tls, $kind, $login, $nodes, $path, $db] = $parts + array_fill(0, 7, '');
    $login = array_filter(array_map('rawurldecode', explode(':', $login, 2)), 'strlen');
    $nodes = explode(',', $nodes);
    shuffle($nodes);
    if ($kind === 'cluster') {
        $more = $tls ? [['verify_peer' => true]] : [];
        return new RedisCluster(null, $nodes, 1.0, BLOCK / 1000 + 5, false, array_values($login) ?: null, ...$more);
    }
    if ($kind === 'sentinel') {
        [, $name, $db] = explode('/', $path) + ['', '', ''];
        $redis = dial(masterOf($name, $nodes, $tls), $tls);
    } elseif ($nodes === ['']) {
        $redis = dial(rawurldecode($path), '');
    } else {
        $redis = dial($nodes[0], $tls);
        $db = ltrim($path, '/');
    }
    if ($login) {
        ask($redis, '', 'AUTH', ...array_values($login));
    }
    if ((int) $db) {
        ask($redis, '', 'SELECT', $db);
    }
    return $redis;
}

/* host:port, or the path of a unix socket. */
function dial(string $node, string $tls): Redis
{
    preg_match('~^\[?([^\]]*?)\]?(?::(\d+))?$~', $node, $at);
    $redis = new Redis();
    $redis->connect(($tls ? 'tls://' : '') . $at[1], $node[0] === '/' ? 0 : (int) ($at[2] ?? 6379), 1.0, null, 0, BLOCK / 1000 + 5);
    $redis->setOption(Redis::OPT_MAX_RETRIES, 0);       // what is lost is for us to see
    return $redis;
}

/* What the first sentinel says that answers and knows it.  (RedisSentinel of phpredis 5 and of 6 are not made alike.) */
function masterOf(string $name, array $sentinels, string $tls): string
{
    foreach ($sentinels as $node) {
        try {
            if ($at = ask(dial($node, $tls), '', 'SENTINEL', 'get-master-addr-by-name', rawurldecode($name))) {
                return "$at[0]:$at[1]";
            }
        } catch (Exception) {           // the next one
        }
    }
    throw new RedisException("no sentinel knows $name");
}

/* The answer; an error of Redis is an exception.  Of a cluster the server is asked that has this key. */
function ask(Redis|RedisCluster $redis, string $key, string ...$words): mixed
{
    $redis->clearLastError();
    $answer = $redis instanceof Redis ? $redis->rawCommand(...$words) : $redis->rawCommand($key, ...$words);
    if ($answer === false && $redis->getLastError() !== null) {
        throw new RedisException($redis->getLastError());
    }
    return $answer;
}

/* Pauses that grow from 0.1 s to 5 s; a line for each kind of trouble, and one when it is over. */
final class Trouble
{
    private array $kinds = [];
    private float $pause = 0.1;

    public function __construct(private string $name)
    {
    }

    public function begins(Throwable $error): void
    {
        $text = trim(preg_replace('/\s+/', ' ', $error->getMessage()));
        $kind = get_class($error) . ' ' . explode(' ', $text)[0];
        if (!isset($this->kinds[$kind])) {
            $this->kinds[$kind] = true;
            say("$this->name: " . get_class($error) . ": $text");
        }
        $until = microtime(true) + $this->pause * random_int(50, 100) / 100;
        while (!Reader::isStopping() && microtime(true) < $until) {
            usleep(20000);
        }
        $this->pause = min($this->pause * 2, 5);
    }

    public function isOver(): void
    {
        if ($this->kinds) {
            say("$this->name: goes on");
        }
        [$this->kinds, $this->pause] = [[], 0.1];
    }
}

/* Reads one stream, in its order. */
final class Reader
{
    public static bool $isAskedToStop = false;
    public static int $parent = 0;      // the process without which there is nothing to read for; 0: none
    private Trouble $trouble;
    private Redis|RedisCluster|null $redis = null;
    private ?PDO $db = null;
    private ?SignsOfLife $signs = null;

    public function __construct(private string $stream)
    {
        $this->trouble = new Trouble($stream);
    }

    public static function isStopping(): bool
    {
        return self::$isAskedToStop || (self::$parent && posix_getppid() !== self::$parent);
    }

    public function run(): void
    {
        while (!self::isStopping()) {
            try {
                $this->redis = $this->db = $this->signs = null;         // nothing is open while it forks
                $this->signs = new SignsOfLife($this->stream);
                $this->redis = connect();
                $this->createGroup();
                $this->retryOwn();
                $this->read();
            } catch (Throwable $e) {    // whatever it is: a consumer that ends helps nobody
                $this->signs?->give([]);
                $this->trouble->begins($e);
            }
        }
    }

    private function createGroup(): void
    {
        try {
            $this->ask('XGROUP', 'CREATE', $this->stream, GROUP, '0', 'MKSTREAM');
        } catch (RedisException $e) {
            $isFull = str_starts_with($e->getMessage(), 'OOM');      // said first, even if there is a group to read on with
            if (!str_starts_with($e->getMessage(), 'BUSYGROUP') && !($isFull && $this->hasGroup())) {
                throw $e;
            }
        }
    }

    private function hasGroup(): bool
    {
        try {
            return (bool) $this->ask('XPENDING', $this->stream, GROUP);
        } catch (Exception) {
            return false;
        }
    }

    private function read(): void
    {
        for ($claimAt = 0; !self::isStopping();) {
            if (microtime(true) >= $claimAt) {
                $this->claim();
                $claimAt = microtime(true) + CLAIM_IDLE / 2000;
            }
            $entries = $this->readGroup('>', BATCH);
            $this->trouble->isOver();
            if ($entries) {
                $this->handleNew($entries);
            }
        }
    }

    /* What an earlier run under this name has left, or we did before a connection was lost; one after the other. */
    private function retryOwn(): void
    {
        for ($after = '0'; !self::isStopping() && ($entries = $this->readGroup($after, 1)); $after = key($entries)) {
            $this->retry($entries);
        }
    }

    /* What nobody gives a sign of life for; one after the other, so that an entry which kills us counts alone. */
    private function claim(): void
    {
        $cursor = '0-0';
        do {
            $answer = $this->ask('XAUTOCLAIM', $this->stream, GROUP, CONSUMER, (string) CLAIM_IDLE, $cursor, 'COUNT', '1');
            [$cursor, $entries, $deleted] = $answer + [2 => []];
            if ($deleted) {
                $this->acknowledge($deleted);
            }
            if ($entries = self::entries($entries)) {
                $this->retry($entries);
            }
        } while ($cursor !== '0-0' && !self::isStopping());
    }

    private function handleNew(array $entries): void
    {
        $this->signs->give(array_keys($entries));
        if (!$this->apply($entries)) {
            $this->acknowledge(array_keys($entries));
        } else {                        // one of them failed; which?
            foreach ($entries as $id => $status) {
                $this->attempt($id, $status);
            }
        }
        $this->signs->give([]);
    }

    /* One entry, by its id. */
    private function retry(array $entries): void
    {
        $this->signs->give(array_keys($entries));
        if ($status = current($entries)) {
            $this->attempt(key($entries), $status);
        } else {                        // it was removed from the stream
            $this->acknowledge([key($entries)]);
        }
        $this->signs->give([]);
    }

    private function attempt(string $id, array $status): void
    {
        $pending = $this->ask('XPENDING', $this->stream, GROUP, $id, $id, '1');
        if (!$pending) {
            return;                     // somebody else was quicker
        }
        $deliveries = (int) $pending[0][3];
        if ($deliveries > DELIVERIES) {
            $this->bury($id, $status, 'no attempt came to its end', $deliveries);
        } elseif (!($error = $this->apply([$id => $status]))) {
            $this->acknowledge([$id]);
        } elseif ($deliveries >= DELIVERIES) {
            $this->bury($id, $status, get_class($error) . ': ' . $error->getMessage(), $deliveries);
        }
    }

    /* Returns why they cannot be handled, or null.  Waits as long as it takes for a database that is away. */
    private function apply(array $entries): ?Throwable
    {
        while (true) {
            try {
                $this->db ??= openDatabase();
                handleOnce($this->db, $this->stream, $entries);
                return null;
            } catch (Throwable $e) {
                if (!isLater($e)) {
                    return $e;
                }
            }
            $this->db = null;
            $this->trouble->begins($e);
            if (self::isStopping()) {
                exit(0);                // they stay pending
            }
        }
    }

    private function acknowledge(array $ids): void
    {
        $this->ask('XACK', $this->stream, GROUP, ...$ids);
    }

    private function bury(string $id, array $status, string $reason, int $deliveries): void
    {
        say("$this->stream: $id goes to the dead after $deliveries deliveries: $reason");
        $fields = ['stream', $this->stream, 'entry', $id, 'group', GROUP, 'reason', $reason, 'deliveries', (string) $deliveries];
        foreach ($status as $name => $value) {
            array_push($fields, (string) $name, $value);
        }
        $this->ask('XADD', '{' . $this->stream . '}:dead', '*', ...$fields);
        $this->acknowledge([$id]);
    }

    /* Entries by their ids; without fields: one that was removed from the stream. */
    private function readGroup(string $after, int $count): array
    {
        $answer = $this->ask('XREADGROUP', 'GROUP', GROUP, CONSUMER, 'COUNT', (string) $count, 'BLOCK', (string) BLOCK,
            'STREAMS', $this->stream, $after);
        return self::entries($answer[0][1] ?? []);
    }

    private static function entries(array $answer): array
    {
        $entries = [];
        foreach (array_filter($answer) as [$id, $words]) {
            $entries[$id] = array_column(array_chunk($words ?: [], 2), 1, 0);
        }
        return $entries;
    }

    private function ask(string ...$words): mixed
    {
        return ask($this->redis, $this->stream, ...$words);
    }
}

/* Another process, which tells Redis that we live: while handle() works nobody claims what it works on. */
final class SignsOfLife
{
    private $pipe;
    private int $process;

    public function __construct(string $stream)
    {
        [$this->pipe, $end] = stream_socket_pair(STREAM_PF_UNIX, STREAM_SOCK_STREAM, 0);
        $this->process = pcntl_fork();
        if ($this->process === 0) {
            fclose($this->pipe);
            self::keepAlive($stream, $end);
        }
        fclose($end);
    }

    public function __destruct()
    {
        posix_kill($this->process, SIGKILL);
        pcntl_waitpid($this->process, $status);
    }

    /* What is in hand from now on. */
    public function give(array $ids): void
    {
        fwrite($this->pipe, implode(' ', $ids) . "\n");
    }

    private static function keepAlive(string $stream, $pipe): never
    {
        pcntl_signal(SIGTERM, SIG_IGN);
        pcntl_signal(SIGINT, SIG_IGN);
        for ($ids = '', $redis = null; true;) {
            [$ready, $none] = [[$pipe], null];
            if (stream_select($ready, $none, $none, 0, CLAIM_IDLE * 250)) {
                $ids = fgets($pipe);
                $ids === false && posix_kill(getmypid(), SIGKILL);      // whose life it was
            } elseif (trim($ids) !== '') {
                try {
                    $redis ??= connect();
                    ask($redis, $stream, 'XCLAIM', $stream, GROUP, CONSUMER, '0', ...explode(' ', trim($ids)), ...['JUSTID']);
                } catch (Exception) {
                    $redis = null;      // the reader meets it too, and tells
                }
            }
        }
    }
}

function say(string $line): void
{
    fwrite(STDERR, "consumer: $line\n");
}

/* A process for each; all end when one does. */
function runEach(array $streams): int
{
    [$parent, $processes, $result] = [getmypid(), [], 0];
    foreach ($streams as $stream) {
        $processes[] = $process = pcntl_fork();
        if ($process === 0) {
            Reader::$parent = $parent;
            (new Reader($stream))->run();
            exit(0);
        }
    }
    for ($running = count($processes); $running; usleep(100000)) {
        if (Reader::$isAskedToStop) {
            array_map(fn (int $process) => posix_kill($process, SIGTERM), $processes);
        }
        for (; pcntl_wait($status, WNOHANG) > 0; $running--) {
            $result = Reader::$isAskedToStop ? $result : 1;
            Reader::$isAskedToStop = true;
        }
    }
    return $result;
}

function main(): int
{
    set_error_handler(fn (int $level, string $text) => error_reporting() & $level ? throw new ErrorException($text) : true);
    pcntl_async_signals(true);
    foreach ([SIGTERM, SIGINT] as $number) {
        pcntl_signal($number, function (): void {
            Reader::$isAskedToStop = true;
        });
    }
    $mine = array_filter(range(0, PARTITIONS - 1), fn (int $p) => $p % CONSUMERS === ORDINAL);
    $streams = PARTITIONS === 1 ? [STREAM] : array_map(fn (int $p) => STREAM . ":$p", $mine);
    if (count($streams) !== 1) {
        return runEach($streams);
    }
    (new Reader(current($streams)))->run();
    return 0;
}

exit(main());
