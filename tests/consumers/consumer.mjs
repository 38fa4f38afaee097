#!/usr/bin/env node
// A consumer of Tickstream's stream.  Copy it, replace handle(), and run as many of it as you like.
//
//     npm install redis sqlite3       or Debian's packages node-redis and node-sqlite3
//
// Needs Node 18, node-redis 4.5 and Redis 7.  A line of stderr tells each kind of trouble when it begins, and one when it is
// over; it ends by SIGTERM or SIGINT alone, with what it has in hand finished.
//
// REDIS_URL    redis://localhost:6379/0, rediss://, unix:///PATH, redis+sentinel://host:port,host:port/NAME/db,
//              redis+cluster://host:port,host:port; each may have user:password@
// STREAM       whatsapp:statuses
// PARTITIONS   1; N > 1: STREAM:0 to STREAM:N-1, as STREAM_PARTITIONS says
// CONSUMERS    1   with ORDINAL (0): this one reads the partitions p with p % CONSUMERS == ORDINAL
// GROUP        billing
// CONSUMER     host-pid-random; two that run at once must not have the same name
// DATABASE     consumer.db: a file of SQLite
// CLAIM_IDLE   60000: after so many milliseconds without a sign of life an entry is taken from the consumer that has it
// DELIVERIES   5: an entry that has failed so often goes to {STREAM}:dead
import { randomBytes } from "node:crypto";
import { createRequire } from "node:module";
import { hostname } from "node:os";

const require = createRequire(import.meta.url);     // import does not look where Debian puts modules
const { createClient } = require("redis");
const sqlite3 = require("sqlite3");

const REDIS_URL = process.env.REDIS_URL ?? "redis://localhost:6379/0";
const STREAM = process.env.STREAM ?? "whatsapp:statuses";
const PARTITIONS = Number(process.env.PARTITIONS ?? 1);
const CONSUMERS = Number(process.env.CONSUMERS ?? 1);
const ORDINAL = Number(process.env.ORDINAL ?? 0);
const GROUP = process.env.GROUP ?? "billing";
const CONSUMER = process.env.CONSUMER || `${hostname()}-${process.pid}-${randomBytes(4).toString("hex")}`;
const DATABASE = process.env.DATABASE ?? "consumer.db";
const CLAIM_IDLE = Number(process.env.CLAIM_IDLE ?? 60000);
const DELIVERIES = Number(process.env.DELIVERIES ?? 5);
const BATCH = 100;          // entries that are read, and handled in one transaction
const BLOCK = Math.max(1, Math.min(1000, Math.floor(CLAIM_IDLE / 2)));  // ms: how long a read waits, and so SIGTERM

const SCHEMA = `
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
`;
const RANKS = new Map([["sent", 1], ["delivered", 2], ["read", 3], ["played", 4]]);

/** What handle() throws when the trouble is not the entry's: it is tried again for as long as it takes. */
class Later extends Error {}

// Replace this ---------------------------------------------------------------------------------------------------------

/**
 * What an entry does, in a transaction that is committed before the entry is acknowledged: all of it counts once.
 *
 * What is done outside of `db` may happen twice.  An exception means that the entry cannot be handled; after DELIVERIES
 * of them it goes to {STREAM}:dead.  It must not keep the processor for long: signs of life are given between its awaits.
 */
async function handle(db, { id, status, timestamp, recipient_id: recipient }) {
    if ([id, status, timestamp, recipient].includes(undefined) || !/^[0-9]*$/.test(timestamp)) {
        throw new Error(`a field is missing, or the timestamp is no number: ${timestamp}`);
    }
    const at = Number(timestamp);
    await db.run("INSERT INTO messages (id, recipient) VALUES (?, ?)"
        + " ON CONFLICT (id) DO UPDATE SET updates = messages.updates + 1", id, recipient);
    if (status === "failed") {
        await db.run("UPDATE messages SET failed = ? WHERE id = ? AND failed IS NULL", at, id);
    } else if (RANKS.has(status)) {     // one of a later Meta is counted, and changes nothing
        const rank = RANKS.get(status);
        await db.run("UPDATE messages SET status = ?, rank = ?, at = ? WHERE id = ? AND rank < ?", status, rank, at, id, rank);
    }
}

// The rest may stay as it is -------------------------------------------------------------------------------------------

// What SQLite says when the trouble is its own.
const AWAY = ["ERROR", "PERM", "ABORT", "BUSY", "LOCKED", "READONLY", "IOERR", "FULL", "CANTOPEN", "PROTOCOL"];
const isAway = (error) => error instanceof Later || AWAY.some((code) => error.code === "SQLITE_" + code);

/** SQLite with promises; statements are prepared once. */
class Database {
    statements = new Map();

    static async open() {
        const db = new Database();
        await new Promise((done, failed) => {
            db.file = new sqlite3.Database(DATABASE, (error) => error ? failed(error) : done());
        });
        db.file.configure("busyTimeout", 5000);
        await db.script("PRAGMA journal_mode = WAL");
        await db.script("PRAGMA synchronous = FULL");   // what is committed survives the loss of power: only then an XACK
        await db.script(SCHEMA);
        return db;
    }

    script(text) {
        return new Promise((done, failed) => this.file.exec(text, (error) => error ? failed(error) : done()));
    }

    /** Returns how many rows it has changed. */
    run(text, ...values) {
        return new Promise((done, failed) => {
            if (!this.statements.has(text)) {
                this.statements.set(text, this.file.prepare(text, (error) => error && failed(error)));
            }
            this.statements.get(text).run(values, function ended(error) {
                return error ? failed(error) : done(this.changes);
            });
        });
    }

    close() {
        this.statements.forEach((statement) => statement.finalize());
        this.file.close(() => {});
    }
}

let database, turn = Promise.resolve();     // one transaction at a time: SQLite takes no two, and few threads wait for it

/** All of them in one transaction, or none. */
function handleOnce(stream, entries) {
    const done = turn.then(async () => {
        database ??= await Database.open();
        try {
            await database.run("BEGIN IMMEDIATE");
            for (const { id, status } of entries) {
                if (await database.run("INSERT INTO entries (stream, entry_id) VALUES (?, ?) ON CONFLICT DO NOTHING", stream, id)) {
                    await handle(database, status);
                }
            }
            await database.run("COMMIT");
        } catch (error) {
            await database.run("ROLLBACK").catch(() => {});
            if (isAway(error)) {
                database.close();
                database = undefined;
            }
            throw error;
        }
    });
    turn = done.catch(() => {});
    return done;
}

const [, SCHEME, LOGIN, PLACE, PATH] = /^([a-z+]+):\/\/(?:([^/]*)@)?([^/]*)(?:\/(.*))?$/.exec(REDIS_URL)
    ?? ["", "redis", undefined, REDIS_URL, ""];
const [NAME, DB] = SCHEME.endsWith("+sentinel") ? (PATH ?? "").split("/") : ["", PATH];

/** A connection to one server; it does not come back by itself: another one may have the stream then. */
async function open(node, options = {}) {
    const [, host, port] = /^\[?(.*?)\]?(?::([0-9]+))?$/.exec(node);
    const socket = SCHEME === "unix" ? { path: "/" + PATH.split("?")[0] }
        : { host, port: Number(port ?? 6379), ...(SCHEME.startsWith("rediss") && { tls: true, servername: host }) };
    let cause;
    const client = createClient({
        socket: { ...socket, connectTimeout: 2000, reconnectStrategy: (_, error) => error ?? new Error("the connection is lost") },
        RESP: 2, disableOfflineQueue: true, ...options,
    });
    client.on("error", (error) => { cause ??= error; });
    try {
        await inTime(client.connect());
    } catch (error) {
        close(client);
        throw cause ?? error;
    }
    return client;
}

function close(client) {
    try {
        Promise.resolve(client?.destroy ? client.destroy() : client?.disconnect()).catch(() => {});
    } catch { /* it was closed */ }
}

async function inTime(answer) {
    let timer;
    const late = new Promise((_, failed) => { timer = setTimeout(() => failed(new Error("Timeout: no answer")), BLOCK + 5000); });
    try {
        return await Promise.race([answer, late]);
    } finally {
        clearTimeout(timer);
    }
}

/** What a server answers that is asked one thing alone. */
async function ask(node, options, ...words) {
    const client = await open(node, options);
    try {
        return await inTime(client.sendCommand(words));
    } finally {
        close(client);
    }
}

/**
 * A connection to the server that has this stream.
 *
 * Sentinels are asked for the master (node-redis before 5 does not know them), nodes of a cluster by the MOVED that they
 * answer: each stream has a connection of its own, since a read that waits holds up all behind it.
 */
async function connect(stream) {
    const options = {};
    if (LOGIN !== undefined) {
        const [user, ...password] = LOGIN.split(":");
        Object.assign(options, { username: decodeURIComponent(user) || undefined, password: decodeURIComponent(password.join(":")) });
    }
    let trouble;
    for (const node of PLACE.split(",")) {
        try {
            if (SCHEME.endsWith("+sentinel")) {
                const master = await ask(node, {}, "SENTINEL", "GET-MASTER-ADDR-BY-NAME", NAME);
                if (!master) throw new Error(`no master ${NAME} at ${node}`);
                return await open(master.join(":"), { ...options, database: Number(DB || 0) });
            }
            if (SCHEME.endsWith("+cluster")) {
                return await open(await ask(node, options, "EXISTS", stream).then(() => node, (error) => {
                    const [word, , owner] = error.message.split(" ");
                    if (word !== "MOVED") throw error;
                    return owner.startsWith(":") ? node.replace(/:[0-9]+$/, "") + owner : owner;
                }), options);
            }
            return await open(node, { ...options, database: Number(SCHEME === "unix" ? 0 : DB || 0) });
        } catch (error) {
            trouble = error;
        }
    }
    throw trouble;
}

let stopping = false, wake;
const stopped = new Promise((done) => { wake = done; });
const say = (line) => console.error("consumer: " + line);

function pause(ms) {
    let timer;
    return Promise.race([stopped, new Promise((done) => { timer = setTimeout(done, ms); })]).finally(() => clearTimeout(timer));
}

/** Pauses that grow from 0.1 s to 5 s; a line for each kind of trouble, and one when it is over. */
class Trouble {
    kinds = new Set();
    pause = 100;

    constructor(name) {
        this.name = name;
    }

    async begins(error) {
        const text = String(error.message).split(/\s+/).join(" "), kind = `${error.code ?? error.name} ${text.split(" ")[0]}`;
        if (!this.kinds.has(kind)) {
            this.kinds.add(kind);
            say(`${this.name}: ${error.name}: ${text}`);
        }
        await pause(this.pause * (0.5 + Math.random() / 2));
        this.pause = Math.min(this.pause * 2, 5000);
    }

    isOver() {
        if (this.kinds.size) say(`${this.name}: goes on`);
        this.kinds.clear();
        this.pause = 100;
    }
}

class Stopping extends Error {}

function entry([id, fields]) {
    const pairs = [];
    for (let i = 0; i < (fields ?? []).length; i += 2) pairs.push([fields[i], fields[i + 1]]);
    return { id, fields, status: Object.fromEntries(pairs) };
}

/** Reads one stream, in its order. */
class Reader {
    inHand = [];
    since = 0;

    constructor(stream) {
        this.stream = stream;
        this.trouble = new Trouble(stream);
    }

    async run() {
        setInterval(() => this.giveSignOfLife().catch(() => {}), CLAIM_IDLE / 4);   // who reads meets it too, and tells
        while (!stopping) {
            try {
                this.redis = await connect(this.stream);
                await this.createGroup();
                await this.retryOwn();
                await this.read();
            } catch (error) {           // whatever it is: a consumer that ends helps nobody
                if (!(error instanceof Stopping)) await this.trouble.begins(error);
            } finally {
                this.inHand = [];
                close(this.redis);
                this.redis = undefined;
            }
        }
    }

    send(...words) {
        return inTime(this.redis.sendCommand(words.map(String)));
    }

    async createGroup() {
        try {
            await this.send("XGROUP", "CREATE", this.stream, GROUP, "0", "MKSTREAM");
        } catch (error) {
            // A full Redis refuses it before it sees whether the group is there.
            if (!error.message.startsWith("BUSYGROUP") && !(await this.hasGroup())) throw error;
        }
    }

    async hasGroup() {
        try {
            return Boolean(await this.send("XPENDING", this.stream, GROUP));
        } catch {
            return false;
        }
    }

    async read() {
        let claimAt = 0;
        while (!stopping) {
            if (performance.now() >= claimAt) {
                await this.claim();
                claimAt = performance.now() + CLAIM_IDLE / 2;
            }
            const answer = await this.send("XREADGROUP", "GROUP", GROUP, CONSUMER, "COUNT", BATCH, "BLOCK", BLOCK,
                "STREAMS", this.stream, ">");
            this.trouble.isOver();
            if (answer) await this.handleNew(answer[0][1].map(entry));
        }
    }

    /** What an earlier run under this name has left, or we did before a connection was lost; one after the other. */
    async retryOwn() {
        for (let after = "0"; !stopping;) {
            const answer = await this.send("XREADGROUP", "GROUP", GROUP, CONSUMER, "COUNT", 1, "STREAMS", this.stream, after);
            if (!answer?.[0][1].length) return;
            [[after]] = answer[0][1];
            await this.retry(entry(answer[0][1][0]));
        }
    }

    /** What nobody gives a sign of life for; one after the other, so that an entry which kills us counts alone. */
    async claim() {
        for (let cursor = "0-0"; !stopping;) {
            const [next, entries, deleted] = await this.send("XAUTOCLAIM", this.stream, GROUP, CONSUMER, CLAIM_IDLE, cursor,
                "COUNT", 1);
            if (deleted?.length) await this.acknowledge(deleted);
            for (const found of entries) {
                if (found) await this.retry(entry(found));
            }
            if (next === "0-0") return;
            cursor = next;
        }
    }

    async handleNew(entries) {
        this.take(entries);
        try {
            await this.apply(entries);
        } catch (error) {               // one of them; which?
            if (error instanceof Stopping) throw error;
            for (const one of entries) await this.attempt(one);
            this.inHand = [];
            return;
        }
        await this.acknowledge(entries.map(({ id }) => id));
        this.inHand = [];
    }

    async retry(one) {
        this.take([one]);
        if (one.fields?.length) await this.attempt(one);
        else await this.acknowledge([one.id]);      // it was removed from the stream
        this.inHand = [];
    }

    async attempt(one) {
        const [pending] = await this.send("XPENDING", this.stream, GROUP, one.id, one.id, 1);
        if (!pending) return;           // somebody else was quicker
        const deliveries = Number(pending[3]);
        if (deliveries > DELIVERIES) {
            await this.bury(one, "no attempt came to its end", deliveries);
            return;
        }
        try {
            await this.apply([one]);
        } catch (error) {
            if (error instanceof Stopping) throw error;
            if (deliveries >= DELIVERIES) await this.bury(one, `${error.name}: ${error.message}`, deliveries);
            return;
        }
        await this.acknowledge([one.id]);
    }

    /** Waits as long as it takes for a database that is away. */
    async apply(entries) {
        for (;;) {
            try {
                return await handleOnce(this.stream, entries);
            } catch (error) {
                if (!isAway(error)) throw error;
                await this.trouble.begins(error);
                if (stopping) throw new Stopping();     // they stay pending
            }
        }
    }

    acknowledge(ids) {
        return this.send("XACK", this.stream, GROUP, ...ids);
    }

    async bury({ id, fields }, reason, deliveries) {
        say(`${this.stream}: ${id} goes to the dead after ${deliveries} deliveries: ${reason}`);
        await this.send("XADD", `{${this.stream}}:dead`, "*", "stream", this.stream, "entry", id, "group", GROUP,
            "reason", reason, "deliveries", deliveries, ...fields);
        await this.acknowledge([id]);
    }

    take(entries) {
        this.inHand = entries.map(({ id }) => id);
        this.since = performance.now();
    }

    /** By a timer, while SQLite works in a thread of its own: nobody claims what handle() works on. */
    async giveSignOfLife() {
        if (this.inHand.length && performance.now() - this.since > CLAIM_IDLE / 4) {
            await this.send("XCLAIM", this.stream, GROUP, CONSUMER, 0, ...this.inHand, "JUSTID");
        }
    }
}

for (const name of ["SIGTERM", "SIGINT"]) {
    process.on(name, () => {
        stopping = true;
        wake();
    });
}
const streams = PARTITIONS === 1 ? [STREAM]
    : Array.from({ length: PARTITIONS }, (_, p) => p).filter((p) => p % CONSUMERS === ORDINAL).map((p) => `${STREAM}:${p}`);
await Promise.all(streams.map((stream) => new Reader(stream).run()));
process.exit(0);
