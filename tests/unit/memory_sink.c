#include "memory_sink.h"

#include "payload_text.h"

#include <stdio.h>
#include <stdlib.h>

static void keep(char *to, size_t room, Str text)
{
    snprintf(to, room, "%.*s", (int)text.len, text.len ? text.ptr : "");
}

static void end(const MemorySink *memory, Publication *publication)
{
    publication->code = memory->code;
    publication->result = (PublishResult){0};
    if (memory->code == ERROR_NONE) {
        publication->result.accepted = publication->payload->status_count;
        publication->result.quarantined = publication->payload->quarantined_count;
    }
}

static SinkAnswer publish(Sink *sink, Publication *publication)
{
    MemorySink *memory = OWNER_OF(sink, MemorySink, sink);
    const Delivery *delivery = &publication->delivery;
    char *text = payload_text(publication->payload);
    memory->publications++;
    keep(memory->text, sizeof(memory->text), str_from(text));
    keep(memory->request_id, sizeof(memory->request_id), delivery->request_id);
    keep(memory->content_type, sizeof(memory->content_type), delivery->content_type);
    keep(memory->received_at, sizeof(memory->received_at), delivery->received_at);
    free(text);
    if (memory->later) {
        memory->waiting = publication;
        return SINK_LATER;
    }
    end(memory, publication);
    return SINK_DONE;
}

static SinkAnswer probe(Sink *sink, Probe *asked)
{
    MemorySink *memory = OWNER_OF(sink, MemorySink, sink);
    memory->probes++;
    asked->code = memory->code;
    memory->asking = memory->later ? asked : NULL;
    return memory->later ? SINK_LATER : SINK_DONE;
}

static bool is_connected(const Sink *sink)
{
    return OWNER_OF(sink, const MemorySink, sink)->connected;
}

static const char *durability(const Sink *sink)
{
    (void)sink;
    return "of memory";
}

static void describe(const Sink *sink, Text *to)
{
    (void)sink;
    text_add(to, STR("partition 0: memory, ok\n"));
}

static void close_sink(Sink *sink)
{
    (void)sink;
}

MemorySink memory_sink(void)
{
    return (MemorySink){.sink = {publish, probe, is_connected, durability, describe, close_sink},
                        .connected = true};
}

void memory_sink_finish(MemorySink *memory)
{
    Publication *publication = memory->waiting;
    Probe *asked = memory->asking;
    memory->waiting = NULL;
    memory->asking = NULL;
    if (publication) {
        end(memory, publication);
        publication->done(publication);
    }
    if (asked) {
        asked->code = memory->code;
        asked->done(asked);
    }
}
