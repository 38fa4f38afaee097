<?php // PHP-FPM + phpredis: decode, one XADD for each status in one pipeline, answer after the replies.
// With DEDUPE a pipeline before it sets a key for each status, and only those whose key is new are appended, as it is
// usually written. (What fails in between is lost, since a repeat is taken for known then.)
const FIELDS = ['id' => 1, 'status' => 1, 'timestamp' => 1, 'recipient_id' => 1, 'errors' => 1];

$payload = json_decode(file_get_contents('php://input'), true);
if (!is_array($payload)) {
    http_response_code(400);
    exit;
}
$redis = new Redis();
$redis->pconnect($_SERVER['REDIS_SOCKET']);
$now = (int) (microtime(true) * 1000);
$keys = null;
if ($_SERVER['DEDUPE'] === '1') {
    $pipe = $redis->pipeline();
    foreach ($payload['entry'] as $entry) {
        foreach ($entry['changes'] as $change) {
            foreach ($change['value']['statuses'] as $s) {
                $pipe->set('seen:' . ($s['id'] ?? '') . ':' . ($s['status'] ?? ''), '1', ['nx', 'ex' => 86400]);
            }
        }
    }
    $keys = $pipe->exec();
    if ($keys === false || $redis->getLastError() !== null) {
        http_response_code(503);
        exit;
    }
}
$count = 0;
$pipe = $redis->pipeline();
foreach ($payload['entry'] as $entry) {
    foreach ($entry['changes'] as $change) {
        $value = $change['value'];
        foreach ($value['statuses'] as $s) {
            if ($keys !== null && !$keys[$count++]) {
                continue;
            }
            $extra = array_diff_key($s, FIELDS);
            $pipe->xAdd('whatsapp:statuses', '*', [
                'id' => $s['id'] ?? '', 'status' => $s['status'] ?? '',
                'timestamp' => $s['timestamp'] ?? '', 'recipient_id' => $s['recipient_id'] ?? '',
                'phone_number_id' => $value['metadata']['phone_number_id'] ?? '',
                'display_phone_number' => $value['metadata']['display_phone_number'] ?? '',
                'entry_id' => $entry['id'] ?? '', 'field' => $change['field'] ?? '',
                'messaging_product' => $value['messaging_product'] ?? '', 'object' => $payload['object'] ?? '',
                'errors' => json_encode($s['errors'] ?? []), 'extra' => $extra ? json_encode($extra) : '{}',
                'received_at' => $now, 'request_id' => $_SERVER['REQUEST_ID'],
            ]);
        }
    }
}
$replies = $pipe->exec();
if ($replies === false || in_array(false, $replies, true)) {
    http_response_code(503);
    exit;
}
header('Content-Type: application/json');
$duplicates = $keys === null ? 0 : $count - count($replies);
echo '{"accepted":', count($replies), ',"duplicates":', $duplicates, ',"quarantined":0,"ignored":0}';
