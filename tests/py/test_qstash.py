"""The official QStash SDK for Python against our broker: every call it has, by its sync and its async client, and its
receiver. Run by tests/it/sdk, which starts the broker and tells its address and keys in the environment."""

import asyncio
import base64
import contextlib
import inspect
import io
import json
import time
import unittest

from qstash import AsyncQStash, QStash, Receiver
from qstash.errors import QStashError, SignatureError
from qstash.log import LogState
from support import TOKEN, URL, Destination, Waiting, advance, idle, surface


async def every(answer):
    return await answer if inspect.isawaitable(answer) else answer


class Calls:
    """The same tests for both clients."""

    kind = None

    @classmethod
    def setUpClass(cls):
        cls.loop, cls.called = asyncio.new_event_loop(), set()
        cls.client = cls.kind(TOKEN, retry=False, base_url=URL)
        cls.qstash = Waiting(cls.client, cls.loop, cls.called)
        cls.know(cls.qstash.signing_key.get())

    @classmethod
    def tearDownClass(cls):
        # Whatever was skipped or renamed is seen here: an SDK with a new method fails until somebody has tried it.
        missed = surface(cls.client) - cls.called
        cls.loop.close()
        if missed:
            raise AssertionError(f"{cls.kind.__name__} has methods that no test called with success: {sorted(missed)}")

    @classmethod
    def know(cls, keys):
        cls.keys, cls.receiver = keys, Receiver(keys.current, keys.next)

    def setUp(self):
        self.to = Destination()
        self.addCleanup(self.to.close)
        # What a failed test left would keep the others from ever being idle.
        self.addCleanup(lambda: self.loop.run_until_complete(every(self.client.message.cancel_all())))

    def verify(self, push, **changed):
        signature = push.headers["upstash-signature"]
        self.receiver.verify(**{"signature": signature, "body": push.body, "url": push.url, **changed})

    def dead(self, path, **more):
        """The dead letter of a message that died at once."""
        self.to.answers = lambda push, before: (500 if push.path == path else 200, "broken")
        sent = self.qstash.message.publish(url=self.to.base + path, body="dead", retries=0, **more)
        idle()
        [letter] = self.qstash.dlq.list(filter={"message_id": sent.message_id}).messages
        return letter

    def test_a_message_arrives_as_published_signed(self):
        sent = self.qstash.message.publish(
            url=f"{self.to.base}/plain?a=%2F",
            body="text, ünicode".encode(),
            method="PUT",
            content_type="text/plain",
            headers={"X-Mine": "forwarded"},
        )
        push = self.to.nth("/plain?a=%2F")
        self.assertEqual(
            (push.method, push.body, push.headers["content-type"], push.headers["x-mine"], push.headers["upstash-message-id"]),
            ("PUT", "text, ünicode", "text/plain", "forwarded", sent.message_id),
        )
        self.verify(push)
        for changed in ({"body": "other"}, {"url": self.to.base}):
            with self.assertRaises(SignatureError):
                self.verify(push, **changed)
        current, next = self.keys.current, self.keys.next
        Receiver(next, current).verify(signature=push.headers["upstash-signature"], body=push.body, url=push.url)
        with self.assertRaises(SignatureError):
            Receiver(next, next).verify(signature=push.headers["upstash-signature"], body=push.body)

    def test_json_and_what_is_waiting(self):
        sent = self.qstash.message.publish_json(
            url=f"{self.to.base}/json",
            body={"a": [1, None]},
            delay="90m",
            retries=2,
            retry_delay="1000 * (1 + retried)",
            label="py-label",
            timeout="30s",
            callback=f"{self.to.base}/callback",
            callback_headers={"Forward-X-For": "callback"},
            failure_callback=f"{self.to.base}/failure",
            failure_callback_headers={"Forward-X-For": "failure"},
            flow_control={"key": "py-json", "parallelism": 3, "rate": 5, "period": "1m"},
        )
        found = self.qstash.message.get(sent.message_id)
        self.assertEqual(
            (found.body, found.method, found.max_retries, found.retry_delay_expression, found.label),
            ('{"a": [1, null]}', "POST", 2, "1000 * (1 + retried)", "py-label"),
        )
        self.assertEqual(found.not_before - found.created_at, 90 * 60_000)
        self.assertEqual((found.callback_headers, found.failure_callback_headers), ({"X-For": ["callback"]}, {"X-For": ["failure"]}))
        flow = found.flow_control
        self.assertEqual((flow.key, flow.parallelism, flow.rate, flow.period), ("py-json", 3, 5, 60))
        advance("91m")
        idle()
        push = self.to.nth("/json")
        self.assertEqual((json.loads(push.body), push.headers["content-type"]), ({"a": [1, None]}, "application/json"))
        self.verify(push)
        callback = self.to.nth("/callback")
        self.assertEqual((json.loads(callback.body)["sourceMessageId"], callback.headers["x-for"]), (sent.message_id, "callback"))
        self.verify(callback)

    def test_not_before(self):
        at = int(time.time()) + 365 * 43_200
        sent = self.qstash.message.publish(url=f"{self.to.base}/at", not_before=at)
        self.assertEqual(self.qstash.message.get(sent.message_id).not_before, at * 1000)
        self.qstash.message.cancel(sent.message_id)

    def test_deduplicated(self):
        name = f"py-{self.kind.__name__}"
        first = self.qstash.message.publish(url=f"{self.to.base}/once", deduplication_id=name)
        again = self.qstash.message.publish(url=f"{self.to.base}/once", deduplication_id=name)
        self.assertEqual((again.message_id, again.deduplicated, first.deduplicated), (first.message_id, True, False))
        one, same, other = (
            self.qstash.message.publish_json(url=f"{self.to.base}/content", body=body, content_based_deduplication=True)
            for body in ("a", "a", "b")
        )
        self.assertEqual((same.message_id, same.deduplicated, other.deduplicated), (one.message_id, True, False))
        idle()
        self.assertEqual((len(self.to.to("/once")), len(self.to.to("/content"))), (1, 2))

    def test_many_at_once(self):
        sent = self.qstash.message.batch([
            {"url": f"{self.to.base}/batch/1", "body": "one", "method": "PATCH"},
            {"url": f"{self.to.base}/batch/2"},
            {"url": f"{self.to.base}/batch/3", "body": "three", "queue": "py-batch"},
        ])
        sent += self.qstash.message.batch_json([{"url": f"{self.to.base}/batch/4", "body": {"n": 4}}])
        idle()
        pushes = [self.to.nth(f"/batch/{n}") for n in (1, 2, 3, 4)]
        self.assertEqual([push.body for push in pushes], ["one", "", "three", '{"n": 4}'])
        self.assertEqual([push.headers["upstash-message-id"] for push in pushes], [one.message_id for one in sent])
        self.assertEqual(pushes[0].method, "PATCH")
        for push in pushes:
            self.verify(push)
        self.qstash.queue.delete("py-batch")

    def test_cancelled_one_some_all(self):
        ids = [self.qstash.message.publish(url=f"{self.to.base}/no", delay=3600).message_id for _ in range(5)]
        self.qstash.message.cancel(ids[0])
        with self.assertRaises(QStashError):
            self.qstash.message.get(ids[0])
        self.assertEqual(self.qstash.message.cancel_many(ids[:3]), 2)
        self.assertEqual(self.qstash.message.cancel_all(), 2)
        idle()
        self.assertEqual(self.to.pushes, [])

    def test_a_group(self):
        group = self.qstash.url_group
        group.upsert_endpoints("py-group", [{"name": "one", "url": f"{self.to.base}/one"}, {"url": f"{self.to.base}/two"}])
        group.upsert_endpoints("py-group", [{"name": "gone", "url": f"{self.to.base}/gone"}])
        group.remove_endpoints("py-group", [{"name": "gone"}])
        found = group.get("py-group")
        self.assertEqual([(e.name, e.url) for e in found.endpoints], [("one", f"{self.to.base}/one"), (None, f"{self.to.base}/two")])
        self.assertEqual([known.name for known in group.list()], ["py-group"])
        sent = self.qstash.message.publish(url_group="py-group", body="all")
        [batched] = self.qstash.message.batch([{"url_group": "py-group", "body": "batched"}])
        idle()
        self.assertEqual([one.url for one in sent], [endpoint.url for endpoint in found.endpoints])
        self.assertEqual((len(batched), len(self.to.to("/one")), len(self.to.to("/gone"))), (2, 2, 0))
        self.assertEqual(self.to.to("/one")[0].headers["upstash-topic-name"], "py-group")
        group.delete("py-group")
        with self.assertRaises(QStashError):
            group.get("py-group")

    def test_a_queue(self):
        queue = self.qstash.queue
        queue.upsert("py-queue", parallelism=1, paused=True)
        self.qstash.message.enqueue(queue="py-queue", url=f"{self.to.base}/queued", body="first")
        sent = self.qstash.message.enqueue_json(queue="py-queue", url=f"{self.to.base}/queued", body={"second": 2})
        found = queue.get("py-queue")
        self.assertEqual((found.name, found.parallelism, found.paused, found.lag), ("py-queue", 1, True, 2))
        self.assertEqual([known.name for known in queue.list()], ["py-queue"])
        self.assertEqual(self.qstash.message.get(sent.message_id).queue, "py-queue")
        queue.resume("py-queue")
        idle()
        self.assertEqual([push.body for push in self.to.to("/queued")], ["first", '{"second": 2}'])
        queue.pause("py-queue")
        self.assertTrue(queue.get("py-queue").paused)
        queue.delete("py-queue")
        with self.assertRaises(QStashError):
            queue.get("py-queue")

    def test_flow_control(self):
        flow, key = self.qstash.flow_control, f"py-{self.kind.__name__}"
        publish = lambda: self.qstash.message.publish(url=f"{self.to.base}/flow", flow_control={"key": key, "parallelism": 3, "rate": 2, "period": 60})
        publish()
        idle()
        info = flow.get(key)
        self.assertEqual((info.key, info.parallelism_max, info.rate_max, info.rate_period, info.rate_count), (key, 3, 2, 60, 1))
        flow.pause(key)
        publish()
        self.assertEqual((flow.get(key).is_paused, flow.get(key).wait_list_size), (True, 1))
        flow.resume(key)
        idle()
        publish()
        self.assertEqual(flow.get(key).wait_list_size, 1)
        flow.reset_rate(key)
        idle()
        self.assertEqual(len(self.to.pushes), 3)
        flow.pin(key, {"parallelism": 7, "rate": 9, "period": 5})
        publish()
        idle()
        info = flow.get(key)
        self.assertEqual((info.parallelism_max, info.rate_max, info.is_pinned_parallelism, info.is_pinned_rate), (7, 9, True, True))
        flow.unpin(key, {"parallelism": True, "rate": True})
        self.assertFalse(flow.get(key).is_pinned_rate)
        self.assertGreater(flow.get_global_parallelism().parallelism_max, 0)

    def test_schedules(self):
        schedule, url = self.qstash.schedule, f"{self.to.base}/tick"
        made = schedule.create(
            destination=url,
            cron="*/5 * * * *",
            schedule_id="py-schedule",
            body="tick",
            method="PUT",
            headers={"X-From": "cron"},
            callback=f"{self.to.base}/callback",
            callback_headers={"Forward-X-For": "callback"},
            failure_callback=f"{self.to.base}/failure",
            failure_callback_headers={"Forward-X-For": "failure"},
            retries=1,
            retry_delay="1000",
            timeout=20,
            label="py-schedule",
        )
        self.assertEqual(made, "py-schedule")
        found = schedule.get("py-schedule")
        self.assertEqual(
            (found.cron, found.destination, found.method, found.body, found.retries, found.retry_delay_expression, found.timeout, found.label, found.paused),
            ("*/5 * * * *", url, "PUT", "tick", 1, "1000", 20, "py-schedule", False),
        )
        self.assertEqual(found.headers["X-From"], ["cron"])
        self.assertEqual((found.callback_headers, found.failure_callback_headers), ({"X-For": ["callback"]}, {"X-For": ["failure"]}))
        self.assertEqual([known.schedule_id for known in schedule.list()], ["py-schedule"])
        advance("5m")
        idle()
        push = self.to.nth("/tick")
        self.assertEqual((push.method, push.body, push.headers["upstash-schedule-id"]), ("PUT", "tick", "py-schedule"))
        self.verify(push)
        self.assertEqual([state.value for state in schedule.get("py-schedule").last_schedule_states.values()], ["SUCCESS"])
        schedule.pause("py-schedule")
        self.assertTrue(schedule.get("py-schedule").paused)
        advance("10m")
        self.assertEqual(len(self.to.to("/tick")), 1)
        schedule.resume("py-schedule")
        schedule.delete("py-schedule")
        made = schedule.create_json(destination=url, cron="* * * * *", body={"json": 1}, queue="py-scheduled")
        advance("1m")
        schedule.delete(made)
        idle()
        self.assertEqual(self.to.nth("/tick", 2).body, '{"json": 1}')
        self.qstash.queue.delete("py-scheduled")

    def test_dead_letters(self):
        failing = {"failure_callback": f"{self.to.base}/failure", "failure_callback_headers": {"Forward-X-For": "failure"}}
        letters = [self.dead(f"/dead/{n}", label="py-dead", **failing) for n in range(4)]
        self.assertEqual((letters[0].response_status, letters[0].response_body, letters[0].body), (500, "broken", "dead"))
        self.assertEqual(letters[0].failure_callback_headers, {"X-For": ["failure"]})
        told = json.loads(self.to.nth("/failure").body)
        self.assertEqual((told["dlqId"], told["sourceMessageId"]), (letters[0].dlq_id, letters[0].message_id))
        self.assertEqual(base64.b64decode(told["body"]), b"broken")
        self.verify(self.to.nth("/failure"))
        self.assertEqual(self.qstash.dlq.get(letters[1].dlq_id).message_id, letters[1].message_id)
        page = self.qstash.dlq.list(count=3, filter={"label": "py-dead"})
        rest = self.qstash.dlq.list(cursor=page.cursor, filter={"label": "py-dead"})
        self.assertEqual((len(page.messages), len(rest.messages), rest.cursor), (3, 1, None))
        self.qstash.dlq.delete(letters[0].dlq_id)
        self.assertEqual(self.qstash.dlq.delete_many([letter.dlq_id for letter in letters]), 3)
        with self.assertRaises(QStashError):
            self.qstash.dlq.get(letters[1].dlq_id)

    def test_the_log(self):
        sent = self.qstash.message.publish(url=f"{self.to.base}/logged", body="logged", retry_delay="1000", flow_control={"key": "py-log", "parallelism": 2})
        idle()
        # It prints what it reads.
        with contextlib.redirect_stdout(io.StringIO()):
            found = self.qstash.log.list(filter={"message_id": sent.message_id})
            page = self.qstash.log.list(count=2, filter={"message_ids": [sent.message_id]})
            rest = self.qstash.log.list(cursor=page.cursor, filter={"message_id": sent.message_id})
        self.assertEqual([log.state for log in found.logs], [LogState.DELIVERED, LogState.ACTIVE, LogState.CREATED])
        self.assertEqual((len(page.logs), len(rest.logs), rest.cursor), (2, 1, None))
        created = found.logs[-1]
        self.assertEqual((created.method, created.max_retries, created.retry_delay_expression), ("POST", 3, "1000"))
        self.assertEqual(created.flow_control.key, "py-log")
        self.assertEqual(found.logs[0].response_status, 200)

    def test_what_is_wrong_is_said(self):
        for wrong, said in (({"url": "ftp://example.com"}, "invalid scheme"), ({"url": self.to.base, "retries": 99}, "maxRetries"), ({"url_group": "py-nobody"}, "not found")):
            with self.assertRaisesRegex(QStashError, said):
                self.qstash.message.publish(**wrong)

    def test_signing_keys(self):
        keys = self.qstash.signing_key.get()
        rotated = self.qstash.signing_key.rotate()
        self.assertEqual(rotated.current, keys.next)
        self.assertNotIn(rotated.next, (keys.current, keys.next))
        self.qstash.message.publish(url=f"{self.to.base}/rotated", body="rotated")
        # A receiver that still has the keys of before takes it by its second.
        self.verify(self.to.nth("/rotated"))
        self.know(rotated)
        self.verify(self.to.nth("/rotated"))


class Sync(Calls, unittest.TestCase):
    kind = QStash


class Async(Calls, unittest.TestCase):
    kind = AsyncQStash


if __name__ == "__main__":
    unittest.main()
