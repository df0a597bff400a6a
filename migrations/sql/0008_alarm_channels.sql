-- What a channel has to tell of now: alarms that are open and due, and the end of those that it told of.
CREATE VIEW due_notices AS
SELECT n.channel_id, n.due_at, n.sent, a.id, a.kind, a.subject, a.text, a.count, a.state, a.first_seen, a.last_seen,
       a.closed_at
FROM alarm_notices n
JOIN alarms a ON a.id = n.alarm_id
WHERE n.state <> 'over'
  AND (a.state = 'open' AND n.due_at <= clock_timestamp() OR a.state = 'closed' AND n.state = 'told');
