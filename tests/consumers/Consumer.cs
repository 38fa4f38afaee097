// A consumer of Tickstream's stream.  Copy it, replace Handle(), and run as many of it as you like.
//
// NOT RUN BY OUR TESTS: there was no tool chain for it.  It does what consumer.py does, which is, step by step.
//
//     dotnet new console && rm Program.cs && dotnet add package StackExchange.Redis && dotnet add package Microsoft.Data.Sqlite
//
// Needs .NET 8, StackExchange.Redis 2.8 or later, and Redis 7.  A line of stderr tells each kind of trouble when it begins,
// and one when it is over; it ends by SIGTERM or SIGINT alone, with what it has in hand finished.  (One connection of this
// library serves all threads, so it does not block in BLOCK: when there was nothing it asks again after 100 ms.)
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
using System;
using System.Collections.Generic;
using System.Globalization;
using System.Linq;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using System.Threading;
using Microsoft.Data.Sqlite;
using StackExchange.Redis;

static class Settings
{
    static string Of(string name, string otherwise) =>
        Environment.GetEnvironmentVariable(name) is { Length: > 0 } value ? value : otherwise;
    static int Number(string name, string otherwise) => int.Parse(Of(name, otherwise), CultureInfo.InvariantCulture);

    public static readonly string RedisUrl = Of("REDIS_URL", "redis://localhost:6379/0");
    public static readonly string Stream = Of("STREAM", "whatsapp:statuses");
    public static readonly int Partitions = Number("PARTITIONS", "1");
    public static readonly int Consumers = Number("CONSUMERS", "1");
    public static readonly int Ordinal = Number("ORDINAL", "0");
    public static readonly string Group = Of("GROUP", "billing");
    public static readonly string Consumer = Of("CONSUMER",
        $"{Environment.MachineName}-{Environment.ProcessId}-{Guid.NewGuid():N}");
    public static readonly string Database = Of("DATABASE", "consumer.db");
    public static readonly int ClaimIdle = Number("CLAIM_IDLE", "60000");
    public static readonly int Deliveries = Number("DELIVERIES", "5");
    public const int Batch = 100;       // entries that are read, and handled in one transaction
    public const int Pause = 100;       // milliseconds from one read to the next when there was nothing

    public const string Schema = @"
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
";
}

/// <summary>What Handle() throws when the trouble is not the entry's: it is tried again for as long as it takes.</summary>
sealed class LaterException : Exception
{
    public LaterException(string why) : base(why) { }
}

// Replace this --------------------------------------------------------------------------------------------------------

static class Handler
{
    static readonly Dictionary<string, int> Ranks = new() { ["sent"] = 1, ["delivered"] = 2, ["read"] = 3, ["played"] = 4 };

    /// <summary>What an entry does, in a transaction that is committed before the entry is acknowledged: all of it counts
    /// once.  What is done outside of `db` may happen twice.  An exception means that the entry cannot be handled; after
    /// DELIVERIES of them it goes to {STREAM}:dead.  With PARTITIONS it is called from several threads.</summary>
    public static void Handle(Database db, IReadOnlyDictionary<string, string> status)
    {
        string message = status["id"], name = status["status"];
        long at = status["timestamp"] == "" ? 0 : long.Parse(status["timestamp"], NumberStyles.None, CultureInfo.InvariantCulture);
        db.Execute("INSERT INTO messages (id, recipient) VALUES ($1, $2)"
            + " ON CONFLICT (id) DO UPDATE SET updates = messages.updates + 1", message, status["recipient_id"]);
        if (name == "failed")
            db.Execute("UPDATE messages SET failed = $1 WHERE id = $2 AND failed IS NULL", at, message);
        else if (Ranks.TryGetValue(name, out int rank))     // one of a later Meta is counted, and changes nothing
            db.Execute("UPDATE messages SET status = $1, rank = $2, at = $3 WHERE id = $4 AND rank < $2", name, rank, at, message);
    }
}

// The rest may stay as it is ------------------------------------------------------------------------------------------

sealed class Database : IDisposable
{
    readonly SqliteConnection connection;
    SqliteTransaction? transaction;

    public Database()
    {
        connection = new SqliteConnection(new SqliteConnectionStringBuilder
        {
            DataSource = Settings.Database, DefaultTimeout = 5, Pooling = false,
        }.ToString());
        connection.Open();
        Execute("PRAGMA journal_mode = WAL");
        Execute("PRAGMA synchronous = FULL");   // what is committed survives the loss of power; only then is it acknowledged
        Execute(Settings.Schema);
    }

    /// <summary>$1, $2 ... are the values; returns how many rows were changed.</summary>
    public int Execute(string sql, params object[] values)
    {
        using var command = connection.CreateCommand();
        command.CommandText = sql;
        command.Transaction = transaction;
        for (int i = 0; i < values.Length; i++)
            command.Parameters.AddWithValue("$" + (i + 1), values[i]);
        return command.ExecuteNonQuery();
    }

    /// <summary>All of them in one transaction, or none.</summary>
    public void HandleOnce(string stream, IReadOnlyCollection<StreamEntry> entries)
    {
        transaction = connection.BeginTransaction(deferred: false);
        try
        {
            foreach (var entry in entries)
                if (Execute("INSERT INTO entries (stream, entry_id) VALUES ($1, $2) ON CONFLICT DO NOTHING",
                        stream, entry.Id.ToString()) == 1)
                    Handler.Handle(this, entry.Values.ToDictionary(v => v.Name.ToString(), v => v.Value.ToString()));
            transaction.Commit();
        }
        finally
        {
            transaction.Dispose();              // what is not committed is rolled back
            transaction = null;
        }
    }

    /// <summary>A database that is away, locked or full; not an entry that it does not take.</summary>
    public static bool IsLater(Exception e) =>
        e is LaterException || (e is SqliteException { SqliteErrorCode: not (18 or 19 or 20) });   // TOOBIG, CONSTRAINT, MISMATCH

    public void Dispose() => connection.Dispose();
}

/// <summary>Pauses that grow from 0.1 s to 5 s; a line for each kind of trouble, and one when it is over.</summary>
sealed class Trouble
{
    readonly string name;
    readonly HashSet<string> kinds = new();
    int pause = 100;

    public Trouble(string name) => this.name = name;

    public void Begins(Exception e)
    {
        string text = string.Join(" ", e.Message.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries));
        if (kinds.Add(e.GetType().Name + " " + text.Split(' ')[0]))
            Program.Say($"{name}: {e.GetType().Name}: {text}");
        Program.Stopping.Wait(Random.Shared.Next(pause / 2, pause));
        pause = Math.Min(pause * 2, 5000);
    }

    public void IsOver()
    {
        if (kinds.Count > 0)
            Program.Say($"{name}: goes on");
        kinds.Clear();
        pause = 100;
    }
}

/// <summary>Reads one stream, in its order, in a thread of its own.</summary>
sealed class Reader
{
    readonly RedisKey stream;
    readonly string name;
    readonly Trouble trouble;
    IDatabase redis = null!;
    Database db = null!;
    volatile RedisValue[] inHand = Array.Empty<RedisValue>();
    long since;

    public Reader(string name)
    {
        this.name = name;
        stream = name;
        trouble = new Trouble(name);
    }

    public void Run()
    {
        while (!Program.Stopping.IsSet)
        {
            try
            {
                redis = Program.Connect();
                using (db = new Database())
                {
                    CreateGroup();
                    RetryOwn();
                    Read();
                }
            }
            catch (Exception e)     // whatever it is: a consumer that ends helps nobody
            {
                trouble.Begins(e);
            }
            finally
            {
                inHand = Array.Empty<RedisValue>();
            }
        }
    }

    void CreateGroup()
    {
        try
        {
            redis.StreamCreateConsumerGroup(stream, Settings.Group, "0", createStream: true);
        }
        // A full Redis refuses it before it sees whether the group is there.
        catch (RedisServerException e) when (e.Message.StartsWith("BUSYGROUP", StringComparison.Ordinal) || HasGroup()) { }
    }

    bool HasGroup()
    {
        try
        {
            redis.StreamPending(stream, Settings.Group);
            return true;
        }
        catch (RedisServerException)
        {
            return false;
        }
    }

    StreamEntry[] ReadGroup(RedisValue after, int count) =>
        redis.StreamReadGroup(stream, Settings.Group, Settings.Consumer, after, count: count, noAck: false);

    void Read()
    {
        long claimAt = 0;
        while (!Program.Stopping.IsSet)
        {
            if (Environment.TickCount64 >= claimAt)
            {
                Claim();
                claimAt = Environment.TickCount64 + Settings.ClaimIdle / 2;
            }
            var entries = ReadGroup(">", Settings.Batch);
            trouble.IsOver();
            if (entries.Length > 0)
                HandleNew(entries);
            else
                Program.Stopping.Wait(Settings.Pause);
        }
    }

    /// <summary>What an earlier run under this name has left, or we did before a connection was lost; one after the other.</summary>
    void RetryOwn()
    {
        RedisValue after = "0";
        while (!Program.Stopping.IsSet)
        {
            var entries = ReadGroup(after, 1);
            if (entries.Length == 0)
                return;
            after = entries[0].Id;
            Retry(entries[0]);
        }
    }

    /// <summary>What nobody gives a sign of life for; one after the other, so that an entry which kills us counts alone.</summary>
    void Claim()
    {
        RedisValue cursor = "0-0";
        while (!Program.Stopping.IsSet)
        {
            var answer = redis.StreamAutoClaim(stream, Settings.Group, Settings.Consumer, Settings.ClaimIdle, cursor, count: 1);
            if (answer.DeletedIds.Length > 0)
                Acknowledge(answer.DeletedIds);
            foreach (var entry in answer.ClaimedEntries)
                Retry(entry);
            cursor = answer.NextStartId;
            if (cursor == "0-0")
                return;
        }
    }

    void HandleNew(StreamEntry[] entries)
    {
        Take(entries);
        try
        {
            Apply(entries);
        }
        catch (Exception e) when (!Database.IsLater(e))     // one of them; which?
        {
            foreach (var entry in entries)
                if (!Program.Stopping.IsSet)
                    Attempt(entry);
            Take();
            return;
        }
        Acknowledge(entries.Select(entry => entry.Id).ToArray());
        Take();
    }

    void Retry(StreamEntry entry)
    {
        if (entry.IsNull)
            return;
        Take(entry);
        if (entry.Values.Length > 0)
            Attempt(entry);
        else                                                // it was removed from the stream
            Acknowledge(entry.Id);
        Take();
    }

    /// <summary>One by itself; how often Redis has delivered it decides when it is given up.</summary>
    void Attempt(StreamEntry entry)
    {
        var pending = redis.StreamPendingMessages(stream, Settings.Group, 1, RedisValue.Null, minId: entry.Id, maxId: entry.Id);
        if (pending.Length == 0)
            return;                                         // somebody else was quicker
        int deliveries = pending[0].DeliveryCount;
        if (deliveries > Settings.Deliveries)
        {
            Bury(entry, "no attempt came to its end", deliveries);
            return;
        }
        try
        {
            Apply(entry);
        }
        catch (Exception e) when (!Database.IsLater(e))     // it stays pending, and is claimed after CLAIM_IDLE
        {
            if (deliveries >= Settings.Deliveries)
                Bury(entry, $"{e.GetType().Name}: {e.Message}", deliveries);
            return;
        }
        Acknowledge(entry.Id);
    }

    /// <summary>Waits as long as it takes for a database that is away.</summary>
    void Apply(params StreamEntry[] entries)
    {
        while (true)
        {
            try
            {
                db.HandleOnce(name, entries);
                return;
            }
            catch (Exception e) when (Database.IsLater(e) && !Program.Stopping.IsSet)
            {
                trouble.Begins(e);
            }
        }
    }

    void Acknowledge(params RedisValue[] ids) => redis.StreamAcknowledge(stream, Settings.Group, ids);

    void Bury(StreamEntry entry, string reason, int deliveries)
    {
        Program.Say($"{name}: {entry.Id} goes to the dead after {deliveries} deliveries: {reason}");
        var head = new NameValueEntry[]
        {
            new("stream", name), new("entry", entry.Id), new("group", Settings.Group), new("reason", reason), new("deliveries", deliveries),
        };
        redis.StreamAdd($"{{{name}}}:dead", head.Concat(entry.Values).ToArray());
        Acknowledge(entry.Id);
    }

    void Take(params StreamEntry[] entries)
    {
        Volatile.Write(ref since, Environment.TickCount64);
        inHand = entries.Select(entry => entry.Id).ToArray();
    }

    /// <summary>From another thread: while Handle() works nobody claims what it works on.</summary>
    public void GiveSignOfLife()
    {
        var ids = inHand;
        if (ids.Length > 0 && Environment.TickCount64 - Volatile.Read(ref since) > Settings.ClaimIdle / 4)
            redis.StreamClaimIdsOnly(stream, Settings.Group, Settings.Consumer, 0, ids);
    }
}

static class Program
{
    public static readonly ManualResetEventSlim Stopping = new();
    static readonly object Lock = new();
    static ConnectionMultiplexer? connection;

    public static void Say(string line) => Console.Error.WriteLine("consumer: " + line);

    /// <summary>One connection for all; it is made anew by itself when it was lost, also to another master.</summary>
    public static IDatabase Connect()
    {
        lock (Lock)
            return (connection ??= ConnectionMultiplexer.Connect(Options())).GetDatabase();
    }

    static ConfigurationOptions Options()
    {
        string[] halves = Settings.RedisUrl.Split("://", 2), parts = halves[1].Split('/', 2);
        string scheme = halves[0], place = parts[0], path = parts.Length > 1 ? parts[1] : "";
        var options = new ConfigurationOptions
        {
            BacklogPolicy = BacklogPolicy.FailFast, ConnectTimeout = 1000, SyncTimeout = 6000, Ssl = scheme.StartsWith("rediss"),
        };
        int at = place.LastIndexOf('@');
        if (at >= 0)
        {
            string[] login = place[..at].Split(':', 2);
            options.User = login[0] == "" ? null : Uri.UnescapeDataString(login[0]);
            options.Password = login.Length > 1 ? Uri.UnescapeDataString(login[1]) : null;
            place = place[(at + 1)..];
        }
        if (scheme == "unix")
        {
            string[] words = path.Split("?db=", 2);
            options.EndPoints.Add(new UnixDomainSocketEndPoint("/" + words[0]));
            path = words.Length > 1 ? words[1] : "";
        }
        else
        {
            foreach (string node in place.Split(','))
                options.EndPoints.Add(node);
        }
        if (scheme.EndsWith("+sentinel"))
        {
            string[] words = path.Split('/', 2);
            options.ServiceName = words[0];
            path = words.Length > 1 ? words[1] : "";
        }
        options.DefaultDatabase = path == "" ? 0 : int.Parse(path, CultureInfo.InvariantCulture);
        return options;
    }

    static void KeepAlive(IReadOnlyCollection<Reader> readers)
    {
        while (true)
        {
            Thread.Sleep(Math.Max(1, Settings.ClaimIdle / 4));
            foreach (var reader in readers)
            {
                try
                {
                    reader.GiveSignOfLife();
                }
                catch (Exception)               // the reader meets it too, and tells
                {
                }
            }
        }
    }

    static void Stop(PosixSignalContext context)
    {
        context.Cancel = true;
        Stopping.Set();
    }

    static void Main()
    {
        using var term = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Stop);
        using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Stop);
        var streams = Settings.Partitions == 1
            ? new[] { Settings.Stream }
            : Enumerable.Range(0, Settings.Partitions).Where(p => p % Settings.Consumers == Settings.Ordinal)
                .Select(p => $"{Settings.Stream}:{p}").ToArray();
        var readers = streams.Select(stream => new Reader(stream)).ToArray();
        new Thread(() => KeepAlive(readers)) { IsBackground = true }.Start();
        var threads = readers.Select(reader => new Thread(reader.Run)).ToArray();
        foreach (var thread in threads)
            thread.Start();
        foreach (var thread in threads)
            thread.Join();
    }
}
