#include "memory_sink.h"

#include "payload_text.h"

#include <stdio.h>
#include <stdlib.h>

static void keep(char *to, size_t room, Str text)
{
    snprintf(to, room, "%.*s", (int)text.len, text.len ? text.ptr : "");
}

static void finish(MemorySink *memory, Publication *publication)
{
    const Payload *payload = publication->payload;
    PublishResult result = {0};
    if (payload && memory->code == ERROR_NONE) {
        result.accepted = payload->status_count;
        result.quarantined = payload->quarantined_count;
    }
    publication->done(publication, memory->code, &result);
}

static void publish(Sink *sink, Publication *publication)
{
    MemorySink *memory = (MemorySink *)sink;
    if (publication->payload) {
        char *text = payload_text(publication->payload);
        memory->publications++;
        keep(memory->text, sizeof(memory->text), str_from(text));
        keep(memory->request_id, sizeof(memory->request_id), publication->request_id);
        keep(memory->content_type, sizeof(memory->content_type), publication->content_type);
        memory->received_at = publication->received_at;
        free(text);
    } else {
        memory->probes++;
    }
    if (memory->later) {
        memory->waiting = publication;
    } else {
        finish(memory, publication);
    }
}

static bool is_connected(const Sink *sink)
{
    return ((const MemorySink *)(const void *)sink)->connected;
}

MemorySink memory_sink(void)
{
    return (MemorySink){.sink = {publish, is_connected}, .connected = true};
}

void memory_sink_finish(MemorySink *memory)
{
    Publication *publication = memory->waiting;
    memory->waiting = NULL;
    finish(memory, publication);
}
