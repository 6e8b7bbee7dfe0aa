"""Search as a slow program would do it: random queries as trees, their text, and which records they match, judged on
stock protobuf's view of the records. None of it is the server's code."""
import datetime
import ipaddress
import json
import unicodedata

OUTCOMES = {0: "unknown", 1: "success", 2: "failure", 3: "denied"}
SINGLE = {
    "actor.id": lambda r, e: e.actor.id, "actor.type": lambda r, e: e.actor.type,
    "actor.name": lambda r, e: e.actor.name, "action": lambda r, e: e.action,
    "service": lambda r, e: e.source.service, "ip": lambda r, e: e.source.ip,
    "trace": lambda r, e: e.trace_id, "request": lambda r, e: e.request_id,
    "session": lambda r, e: e.session_id, "event_id": lambda r, e: e.event_id,
    "written_by": lambda r, e: r.written_by,
}


def struct_strings(value, out):
    kind = value.WhichOneof("kind")
    if kind == "string_value" and value.string_value:
        out.append(value.string_value)
    elif kind == "struct_value":
        for key in value.struct_value.fields:
            struct_strings(value.struct_value.fields[key], out)
    elif kind == "list_value":
        for one in value.list_value.values:
            struct_strings(one, out)


def fold(text):
    text = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return "".join(c for c in text if unicodedata.category(c) != "Cf")


def ascii_lower(text):
    return "".join(c.lower() if c.isascii() else c for c in text)


def is_word(c):
    return unicodedata.category(c)[0] in "LNM"


def words(text):
    found, word = [], ""
    for c in text + " ":
        if is_word(c):
            word += c
        elif word:
            found.append(word)
            word = ""
    return found


class Row:
    """One record, taken apart once."""

    def __init__(self, record):
        self.record, self.event = record, record.event
        event = self.event
        texts = [event.action, event.actor.name, event.outcome_reason]
        texts += [target.name for target in event.targets]
        for label in event.labels:
            texts += [label.key, label.value]
        if event.WhichOneof("details") == "details_struct":
            for key in event.details_struct.fields:
                struct_strings(event.details_struct.fields[key], texts)
        self.texts = [fold(text) for text in texts if text]
        self.words = [words(text) for text in self.texts]
        self.outcome = OUTCOMES.get(event.outcome, str(event.outcome))

    def values(self, field):
        """All values of an exact field, without empty ones."""
        if field == "outcome":
            return [self.outcome]
        if field.startswith("label."):
            return [label.value for label in self.event.labels if label.key == field[6:]]
        if field.startswith("target."):
            return [v for v in (getattr(t, field[7:]) for t in self.event.targets) if v]
        value = SINGLE[field](self.record, self.event)
        return [value] if value else []


def quoted(value):
    return json.dumps(value, ensure_ascii=False)


def rfc3339(ns):
    time = datetime.datetime.fromtimestamp(ns // 10**9, datetime.timezone.utc)
    return f"{time:%Y-%m-%dT%H:%M:%S}.{ns % 10**9:09}Z"


# Each of these gives (text of the query, judge of a Row).

def exact(field, value):
    if field.startswith("label."):
        return f'label.{quoted(field[6:])}:{quoted(value)}', lambda row: value in row.values(field)
    return f"{field}:{quoted(value)}", lambda row: value in row.values(field)


def prefix(field, start):
    return (f"{field}:{quoted(start)}*",
            lambda row: any(v and v.startswith(start) for v in row.values(field)))


def network(text):
    net = ipaddress.ip_network(text, strict=False)

    def number(address):
        """Of 128 bits; IPv4 is ::ffff:a.b.c.d."""
        return int(address) + ((0xffff << 32) if address.version == 4 else 0)

    def judge(row):
        try:
            return any(number(net[0]) <= number(ipaddress.ip_address(v)) <= number(net[-1])
                       for v in row.values("ip"))
        except ValueError:
            return False
    return f"ip:{text}", judge


def word(text):
    wanted = words(fold(text))
    return f"text:{text}", lambda row: any(
        wanted == ws[i:i + len(wanted)] for ws in row.words for i in range(len(ws) - len(wanted) + 1))


def word_prefix(text):
    start = fold(text)
    return f"{text}*", lambda row: any(w.startswith(start) for ws in row.words for w in ws)


def phrase(text):
    wanted = fold(text)

    def inside(t, at):
        return 0 < at < len(t) and is_word(t[at - 1]) and is_word(t[at])

    def judge(row):
        for t in row.texts:
            at = t.find(wanted)
            while at >= 0:
                if not inside(t, at) and not inside(t, at + len(wanted)):
                    return True
                at = t.find(wanted, at + 1)
        return False
    return quoted(text), judge


def index_range(low, high):
    return f"index:{low}..{high}", lambda row: low <= row.record.index < high


def received(low_ns, high_ns):
    return (f"time:{rfc3339(low_ns)}..{rfc3339(high_ns)}",
            lambda row: low_ns <= row.record.received_at < high_ns)


def occurred_since(seconds):
    time = rfc3339(seconds * 10**9)
    return f"occurred:>={time}", lambda row: row.event.occurred_at.seconds >= seconds


def one_target(kind, name):
    return (f"target.type:{quoted(kind)} target.id:{quoted(name)}",
            lambda row: any(t.type == kind and t.id == name for t in row.event.targets))


def random_leaf(random, rows):
    """A term that the data often has, and sometimes not."""
    row = random.choice(rows)
    kind = random.randrange(13)
    if kind == 0:
        fields = [f for f in SINGLE if row.values(f)]
        field = random.choice(fields)
        return exact(field, row.values(field)[0])
    if kind == 1:
        return exact("outcome", random.choice(["success", "failure", "denied", "unknown"]))
    if kind == 2:
        action = row.event.action
        return prefix("action", action[:random.randrange(1, len(action) + 1)])
    if kind == 3 and row.event.labels:
        label = random.choice(list(row.event.labels))
        return exact("label." + label.key, label.value)
    if kind == 4 and row.event.targets:
        target = random.choice(list(row.event.targets))
        if random.random() < 0.5:
            return one_target(target.type, random.choice(list(row.event.targets)).id)
        return exact("target.id", target.id) if target.id else exact("target.type", target.type)
    if kind == 5:
        return network(random.choice(["10.0.0.0/8", "192.168.0.0/16", "192.168.10.20", "10.8.8.10/31", "::/0",
                                      "0.0.0.0/1"]))
    if kind in (6, 7):
        found = random.choice(row.words)
        if found:
            return word(random.choice(found))
    if kind == 8:
        found = random.choice(row.words)
        if found:
            text = random.choice(found)
            return word_prefix(text[:random.randrange(1, len(text) + 1)])
    if kind == 9:
        text = random.choice(row.texts)
        a, b = sorted(random.randrange(len(text) + 1) for _ in range(2))
        if text[a:b].strip():
            return phrase(text[a:b][:100])
    if kind == 10:
        low = random.randrange(len(rows))
        return index_range(low, low + 1 + random.randrange(len(rows)))
    if kind == 11:
        times = sorted([row.record.received_at, random.choice(rows).record.received_at])
        return received(times[0], times[1] + 1)
    return occurred_since(row.event.occurred_at.seconds)


def random_query(random, rows, depth=3):
    if depth == 0 or random.random() < 0.35:
        return random_leaf(random, rows)
    parts = [random_query(random, rows, depth - 1) for _ in range(random.randrange(2, 4))]
    # Targets in a parenthesis of their own: side by side they would mean one target.
    texts = [f"({text})" for text, _ in parts]
    judges = [judge for _, judge in parts]
    kind = random.randrange(5)
    if kind < 2:
        return " OR ".join(texts), lambda row: any(judge(row) for judge in judges)
    if kind == 2:
        return (f"NOT {texts[0]} {texts[1]}",
                lambda row: not judges[0](row) and judges[1](row))
    between = random.choice([" ", " AND "])
    return between.join(texts), lambda row: all(judge(row) for judge in judges)
