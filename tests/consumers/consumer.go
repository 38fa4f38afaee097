// A consumer of Tickstream's stream.  Copy it, replace handle(), and run as many of it as you like.
//
//	go mod init consumer && go get github.com/gomodule/redigo@v1.9.2 github.com/mattn/go-sqlite3 && go build
//
// or with Debian's packages alone (golang-go golang-github-gomodule-redigo-dev golang-github-mattn-go-sqlite3-dev):
//
//	GO111MODULE=off GOPATH=/usr/share/gocode go build consumer.go
//
// Needs Go 1.19, redigo 1.8.3 and Redis 7.  A line of stderr tells each kind of trouble when it begins, and one when it is
// over; it ends by SIGTERM or SIGINT alone, with what it has in hand finished.
//
//	REDIS_URL    redis://localhost:6379/0, rediss://, unix:///PATH, redis+sentinel://host:port,host:port/NAME/db,
//	             redis+cluster://host:port,host:port; each may have user:password@
//	STREAM       whatsapp:statuses
//	PARTITIONS   1; N > 1: STREAM:0 to STREAM:N-1, as STREAM_PARTITIONS says
//	CONSUMERS    1   with ORDINAL (0): this one reads the partitions p with p % CONSUMERS == ORDINAL
//	GROUP        billing
//	CONSUMER     host-pid-random; two that run at once must not have the same name
//	DATABASE     consumer.db: a file of SQLite
//	CLAIM_IDLE   60000: after so many milliseconds without a sign of life an entry is taken from the consumer that has it
//	DELIVERIES   5: an entry that has failed so often goes to {STREAM}:dead
package main

import (
	"database/sql"
	"errors"
	"fmt"
	"math/rand"
	"net"
	"net/url"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/gomodule/redigo/redis"
	"github.com/mattn/go-sqlite3"
)

var (
	redisURL   = setting("REDIS_URL", "redis://localhost:6379/0")
	stream     = setting("STREAM", "whatsapp:statuses")
	partitions = number("PARTITIONS", "1")
	consumers  = number("CONSUMERS", "1")
	ordinal    = number("ORDINAL", "0")
	group      = setting("GROUP", "billing")
	consumer   = setting("CONSUMER", uniqueName())
	database   = setting("DATABASE", "consumer.db")
	claimIdle  = time.Duration(number("CLAIM_IDLE", "60000")) * time.Millisecond
	deliveries = int64(number("DELIVERIES", "5"))
	stopping   = make(chan struct{})
)

const (
	batch = 100         // entries that are read, and handled in one transaction
	block = time.Second // how long a read waits, and so how long SIGTERM may take
)

const schema = `
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
`

var ranks = map[string]int{"sent": 1, "delivered": 2, "read": 3, "played": 4}

// errLater is what handle() returns when the trouble is not the entry's: it is tried again for as long as it takes.
var errLater = errors.New("later")

// Replace this --------------------------------------------------------------------------------------------------------

// handle is what an entry does, in a transaction that is committed before the entry is acknowledged: all of it counts once.
// What is done outside of tx may happen twice.  An error (or a panic) means that the entry cannot be handled; after
// DELIVERIES of them it goes to {STREAM}:dead.  With PARTITIONS it is called from several goroutines.
func handle(tx *sql.Tx, status map[string]string) error {
	message, at, err := status["id"], int64(0), error(nil)
	if status["timestamp"] != "" {
		if at, err = strconv.ParseInt(status["timestamp"], 10, 64); err != nil {
			return err
		}
	}
	_, err = tx.Exec("INSERT INTO messages (id, recipient) VALUES (?, ?)"+
		" ON CONFLICT (id) DO UPDATE SET updates = messages.updates + 1", message, status["recipient_id"])
	if rank := ranks[status["status"]]; err == nil && rank > 0 { // one of a later Meta is counted, and changes nothing
		_, err = tx.Exec("UPDATE messages SET status = ?, rank = ?, at = ? WHERE id = ? AND rank < ?",
			status["status"], rank, at, message, rank)
	} else if err == nil && status["status"] == "failed" {
		_, err = tx.Exec("UPDATE messages SET failed = ? WHERE id = ? AND failed IS NULL", at, message)
	}
	return err
}

// The rest may stay as it is ------------------------------------------------------------------------------------------

type entry struct {
	id     string
	status map[string]string // nil: it was removed from the stream
	fields []string          // names and values, in their order
}

func openDatabase() (*sql.DB, error) {
	// FULL: what is committed survives the loss of power; only then is it acknowledged
	db, err := sql.Open("sqlite3", "file:"+url.PathEscape(database)+
		"?_txlock=immediate&_journal_mode=WAL&_synchronous=FULL&_busy_timeout=5000")
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	if _, err = db.Exec(schema); err != nil {
		db.Close()
	}
	return db, err
}

// handleOnce does all of them in one transaction, or none.
func handleOnce(db *sql.DB, stream string, entries []entry) (err error) {
	tx, err := db.Begin()
	if err != nil {
		return err
	}
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
		if err != nil {
			tx.Rollback()
		}
	}()
	for _, e := range entries {
		new, err := tx.Exec("INSERT INTO entries (stream, entry_id) VALUES (?, ?) ON CONFLICT DO NOTHING", stream, e.id)
		if err != nil {
			return err
		}
		if rows, _ := new.RowsAffected(); rows == 0 {
			continue // it was handled before
		}
		if err := handle(tx, e.status); err != nil {
			return err
		}
	}
	return tx.Commit()
}

// isLater tells a database that is away (or locked, or full) from an entry that it does not take.
func isLater(err error) bool {
	var sqlite sqlite3.Error
	if errors.As(err, &sqlite) {
		return sqlite.Code != sqlite3.ErrConstraint && sqlite.Code != sqlite3.ErrMismatch && sqlite.Code != sqlite3.ErrTooBig
	}
	return errors.Is(err, errLater) || errors.Is(err, sql.ErrConnDone)
}

// reader reads one stream, in its order.
type reader struct {
	stream string
	redis  redis.Conn
	db     *sql.DB
	node   string // of a cluster, the one to which we were sent
	moves  int
	seed   int
	kinds  map[string]bool // of trouble that was told
	pause  time.Duration
}

func (r *reader) run() {
	for !isStopping() {
		err := r.session()
		if err != nil && !r.follow(err) {
			r.node = ""
			r.troubleBegins(err)
		}
	}
}

// session is one connection; it ends by trouble, or by SIGTERM.
func (r *reader) session() (err error) {
	if r.db, err = openDatabase(); err != nil {
		return err
	}
	defer r.db.Close()
	if r.redis, err = r.connect(); err != nil {
		return err
	}
	defer r.redis.Close()
	if err = r.createGroup(); err != nil {
		return err
	}
	if err = r.retryOwn(); err != nil {
		return err
	}
	return r.read()
}

func (r *reader) createGroup() error {
	_, err := r.redis.Do("XGROUP", "CREATE", r.stream, group, "0", "MKSTREAM")
	if err == nil || strings.HasPrefix(err.Error(), "BUSYGROUP") {
		return nil
	}
	// A full Redis refuses it before it sees whether the group is there.
	if _, missing := r.redis.Do("XPENDING", r.stream, group); missing == nil {
		return nil
	}
	return err
}

func (r *reader) read() error {
	var claimAt time.Time
	for !isStopping() {
		if time.Now().After(claimAt) {
			if err := r.claim(); err != nil {
				return err
			}
			claimAt = time.Now().Add(claimIdle / 2)
		}
		entries, err := r.readGroup(">", batch)
		if err != nil {
			return err
		}
		r.troubleIsOver()
		if err = r.handleNew(entries); err != nil {
			return err
		}
	}
	return nil
}

func (r *reader) readGroup(after string, count int) ([]entry, error) {
	wait := block
	if claimIdle/2 < wait {
		wait = claimIdle / 2
	}
	streams, err := redis.Values(r.redis.Do("XREADGROUP", "GROUP", group, consumer, "COUNT", count,
		"BLOCK", wait.Milliseconds()+1, "STREAMS", r.stream, after))
	if err == redis.ErrNil {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	pair, err := redis.Values(streams[0], nil)
	if err != nil {
		return nil, err
	}
	return entriesOf(pair[1])
}

func entriesOf(reply interface{}) (entries []entry, err error) {
	rows, err := redis.Values(reply, nil)
	for _, row := range rows {
		if row == nil {
			continue // Redis before 7: removed from the stream
		}
		pair, _ := redis.Values(row, nil)
		id, _ := redis.String(pair[0], nil)
		status, _ := redis.StringMap(pair[1], nil)
		fields, _ := redis.Strings(pair[1], nil)
		entries = append(entries, entry{id, status, fields})
	}
	return entries, err
}

// retryOwn is for what an earlier run under this name has left, or we did before a connection was lost.
func (r *reader) retryOwn() error {
	for after := "0"; !isStopping(); {
		entries, err := r.readGroup(after, 1)
		if err != nil || len(entries) == 0 {
			return err
		}
		if err = r.retry(entries[0]); err != nil {
			return err
		}
		after = entries[0].id
	}
	return nil
}

// claim takes what nobody gives a sign of life for; one after the other, so that an entry which kills us counts alone.
func (r *reader) claim() error {
	for cursor := "0-0"; !isStopping(); {
		reply, err := redis.Values(r.redis.Do("XAUTOCLAIM", r.stream, group, consumer, claimIdle.Milliseconds(), cursor, "COUNT", 1))
		if err != nil {
			return err
		}
		if len(reply) > 2 { // they were removed from the stream
			removed, _ := redis.Strings(reply[2], nil)
			if err = r.acknowledge(removed...); err != nil {
				return err
			}
		}
		entries, err := entriesOf(reply[1])
		for _, e := range entries {
			if err = r.retry(e); err != nil {
				return err
			}
		}
		if cursor, err = redis.String(reply[0], err); err != nil || cursor == "0-0" {
			return err
		}
	}
	return nil
}

func (r *reader) handleNew(entries []entry) error {
	if len(entries) == 0 {
		return nil
	}
	ids := make([]string, len(entries))
	for i, e := range entries {
		ids[i] = e.id
	}
	defer r.keepAlive(ids)()
	err := r.apply(entries)
	if err == nil {
		return r.acknowledge(ids...)
	} else if isLater(err) {
		return err
	}
	for _, e := range entries { // one of them; which?
		if err := r.attempt(e); err != nil || isStopping() {
			return err
		}
	}
	return nil
}

func (r *reader) retry(e entry) error {
	if e.status == nil {
		return r.acknowledge(e.id)
	}
	defer r.keepAlive([]string{e.id})()
	return r.attempt(e)
}

// attempt is one entry by itself; how often Redis has delivered it decides when it is given up.
func (r *reader) attempt(e entry) error {
	pending, err := redis.Values(r.redis.Do("XPENDING", r.stream, group, e.id, e.id, 1))
	if err != nil || len(pending) == 0 {
		return err // nil: somebody else was quicker
	}
	row, _ := redis.Values(pending[0], nil)
	delivered, err := redis.Int64(row[3], nil)
	if err != nil {
		return err
	}
	if delivered > deliveries {
		return r.bury(e, "no attempt came to its end", delivered)
	}
	if err = r.apply([]entry{e}); err == nil {
		return r.acknowledge(e.id)
	} else if isLater(err) {
		return err
	} else if delivered >= deliveries {
		return r.bury(e, err.Error(), delivered)
	}
	return nil // it stays pending, and is claimed after CLAIM_IDLE
}

// apply waits as long as it takes for a database that is away.
func (r *reader) apply(entries []entry) error {
	for {
		err := handleOnce(r.db, r.stream, entries)
		if err == nil || !isLater(err) || isStopping() {
			return err
		}
		r.troubleBegins(err)
	}
}

func (r *reader) acknowledge(ids ...string) error {
	if len(ids) == 0 {
		return nil
	}
	_, err := r.redis.Do("XACK", redis.Args{r.stream, group}.AddFlat(ids)...)
	return err
}

func (r *reader) bury(e entry, reason string, delivered int64) error {
	say("%s: %s goes to the dead after %d deliveries: %s", r.stream, e.id, delivered, reason)
	fields := redis.Args{"{" + r.stream + "}:dead", "*", "stream", r.stream, "entry", e.id, "group", group, "reason", reason,
		"deliveries", delivered}
	if _, err := r.redis.Do("XADD", fields.AddFlat(e.fields)...); err != nil {
		return err
	}
	return r.acknowledge(e.id)
}

// keepAlive tells Redis that we live, from a goroutine with a connection of its own: while handle() works nobody claims
// what it works on.  The function that it returns ends it.
func (r *reader) keepAlive(ids []string) func() {
	over := make(chan struct{})
	node, stream := r.node, r.stream
	go func() {
		var c redis.Conn
		var err error
		for {
			select {
			case <-over:
				if c != nil {
					c.Close()
				}
				return
			case <-time.After(claimIdle / 4):
			}
			if c == nil || c.Err() != nil {
				c, err = (&reader{node: node}).connect()
			}
			if err == nil {
				c.Do("XCLAIM", redis.Args{stream, group, consumer, 0}.AddFlat(ids).Add("JUSTID")...)
			}
		}
	}()
	return func() { close(over) }
}

// troubleBegins says one line for each kind; then a pause that grows from 0.1 s to 5 s.
func (r *reader) troubleBegins(err error) {
	text := strings.Join(strings.Fields(err.Error()), " ")
	kind, _, _ := strings.Cut(text, " ")
	if !r.kinds[kind] {
		r.kinds[kind] = true
		say("%s: %s", r.stream, text)
	}
	select {
	case <-stopping:
	case <-time.After(r.pause/2 + time.Duration(rand.Int63n(int64(r.pause/2)))):
	}
	if r.pause *= 2; r.pause > 5*time.Second {
		r.pause = 5 * time.Second
	}
}

func (r *reader) troubleIsOver() {
	if len(r.kinds) > 0 {
		say("%s: goes on", r.stream)
	}
	r.kinds, r.pause, r.moves = map[string]bool{}, 100*time.Millisecond, 0
}

// Connections ---------------------------------------------------------------------------------------------------------

// follow goes to the node that a cluster names: "MOVED 3999 10.0.0.7:6379".  (While a slot moves, ASK is one of the
// troubles that are over when it has moved.)
func (r *reader) follow(err error) bool {
	words := strings.Fields(err.Error())
	if len(words) != 3 || words[0] != "MOVED" || r.moves > 5 {
		return false
	}
	r.moves++
	if words[2][0] == ':' { // the host that we speak to
		host, _, _ := net.SplitHostPort(r.node)
		words[2] = host + words[2]
	}
	r.node = words[2]
	return true
}

func (r *reader) connect() (redis.Conn, error) {
	scheme, rest, _ := strings.Cut(redisURL, "://")
	place, path, _ := strings.Cut(rest, "/")
	options := []redis.DialOption{redis.DialConnectTimeout(time.Second), redis.DialReadTimeout(block + 5*time.Second),
		redis.DialWriteTimeout(5 * time.Second), redis.DialUseTLS(strings.HasPrefix(scheme, "rediss"))}
	asked := options // of sentinels, which have users of their own
	if login := strings.LastIndexByte(place, '@'); login >= 0 {
		user, password, _ := strings.Cut(place[:login], ":")
		user, _ = url.PathUnescape(user)
		password, _ = url.PathUnescape(password)
		options = append(options[:len(options):len(options)], redis.DialUsername(user), redis.DialPassword(password))
		place = place[login+1:]
	}
	nodes := strings.Split(place, ",")
	r.seed++
	switch seed := nodes[r.seed%len(nodes)]; scheme {
	case "unix":
		path, database, _ := strings.Cut(path, "?db=")
		db, _ := strconv.Atoi(database)
		return redis.Dial("unix", "/"+path, append(options, redis.DialDatabase(db))...)
	case "redis+sentinel", "rediss+sentinel":
		name, database, _ := strings.Cut(path, "/")
		db, _ := strconv.Atoi(database)
		master, err := askSentinel(seed, name, asked)
		if err != nil {
			return nil, err
		}
		return redis.Dial("tcp", master, append(options, redis.DialDatabase(db))...)
	case "redis+cluster", "rediss+cluster":
		if r.node == "" {
			r.node = withPort(seed, "6379")
		}
		return redis.Dial("tcp", r.node, options...)
	default:
		db, _ := strconv.Atoi(path)
		return redis.Dial("tcp", withPort(seed, "6379"), append(options, redis.DialDatabase(db))...)
	}
}

// askSentinel asks one of them for the master; the next attempt asks the next one.
func askSentinel(sentinel, name string, options []redis.DialOption) (string, error) {
	c, err := redis.Dial("tcp", withPort(sentinel, "26379"), options...)
	if err != nil {
		return "", err
	}
	defer c.Close()
	master, err := redis.Strings(c.Do("SENTINEL", "get-master-addr-by-name", name))
	if err != nil {
		return "", fmt.Errorf("%s: %w", sentinel, err)
	}
	return net.JoinHostPort(master[0], master[1]), nil
}

func withPort(node, port string) string {
	if _, _, err := net.SplitHostPort(node); err != nil {
		return net.JoinHostPort(strings.Trim(node, "[]"), port)
	}
	return node
}

// Settings ------------------------------------------------------------------------------------------------------------

func setting(name, otherwise string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return otherwise
}

func number(name, otherwise string) int {
	value, err := strconv.Atoi(setting(name, otherwise))
	if err != nil || value < 0 {
		say("%s is no number", name)
		os.Exit(2)
	}
	return value
}

func uniqueName() string {
	rand.Seed(time.Now().UnixNano() ^ int64(os.Getpid())<<32)
	host, _ := os.Hostname()
	return fmt.Sprintf("%s-%d-%08x", host, os.Getpid(), rand.Uint32())
}

func say(format string, values ...interface{}) {
	fmt.Fprintf(os.Stderr, "consumer: "+format+"\n", values...)
}

func isStopping() bool {
	select {
	case <-stopping:
		return true
	default:
		return false
	}
}

func main() {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	go func() {
		<-signals
		close(stopping)
	}()
	var running sync.WaitGroup
	for p := 0; p < partitions; p++ {
		name := stream
		if partitions > 1 {
			name = fmt.Sprintf("%s:%d", stream, p)
			if p%consumers != ordinal {
				continue
			}
		}
		r := &reader{stream: name}
		r.troubleIsOver()
		running.Add(1)
		go func() {
			defer running.Done()
			r.run()
		}()
	}
	running.Wait()
}
