"""Checks a feed: python3 read.py ARCHIVE... SUBSCRIPTION, all its documents as files, the oldest first."""
import base64, functools, hashlib, struct, sys, xml.etree.ElementTree as ET
NS = {"a": "http://www.w3.org/2005/Atom", "ce": "http://cloudevents.io/xmlformat/V1", "ef": "urn:uuid:1497358a-ded9-40c6-a34c-d49f5a669243"}
sha256 = lambda *parts: hashlib.sha256(b"".join(parts)).digest()
need = lambda ok, what: ok or sys.exit(f"{path}: {what}")
def normal_form(entry):
    text, content = lambda name: entry.findtext(name, "", NS), entry.find("a:content", NS)
    decode = base64.b64decode if content.get("type") == "application/octet-stream" else str.encode
    fields = [text("ce:id") or text("a:id")[9:], text("ce:source"), entry.find("a:category", NS).get("term")]
    fields += map(text, ["ce:subject", "a:updated", "ce:datacontenttype", "ce:dataschema"])
    fields += [decode(content.text or "")] + sum(sorted([e.get("name"), e.text or ""] for e in entry.findall("ef:extension", NS)), [])
    return b"".join(struct.pack(">I", len(f)) + f for f in (f.encode() if isinstance(f, str) else f for f in fields))
position, digest, history = 0, None, []
for path in sys.argv[1:]:
    source = open(path, encoding="utf-8", newline="").read()
    feed = need("<!DOCTYPE" not in source, "has a DOCTYPE") and ET.fromstring(source)
    page, entries = feed.find("ef:page", NS).attrib, feed.findall("a:entry", NS)[::1 if feed.find("ef:archives", NS) is None else -1]
    known, history = history, [feed.findtext("a:id", "", NS)] + [e.attrib for e in feed.findall("ef:epoch", NS)]
    need(feed.find("ef:feed", NS).get("format") == "1" and history[:len(known)] == known, "is of another format, feed or history")
    need(page["epoch"] == [e["id"] for e in history[1:] if int(e["first-page"]) <= int(page["number"])][-1], "is of another epoch")
    first, last, digest = int(page["first"]), int(page["last"]), digest or sha256(history[0].encode())
    need([int(e.find("ef:event", NS).get("position")) for e in entries] == [*range(first, last + 1)], "has a gap, or another order")
    chain = {first - 1: bytes.fromhex(page["digest-before"])}
    for p, entry in enumerate(entries, first):
        begun = [e["id"].encode() for e in history[2:] if int(e["first-position"]) == p]
        chain[p] = sha256(functools.reduce(sha256, begun, chain[p - 1]), struct.pack(">Q", p), sha256(normal_form(entry)))
    need(all(chain.get(int(e["first-position"]) - 1, b"").hex() in ("", e["digest-before"]) for e in history[1:]), "has a wrong epoch")
    need(chain[last].hex() == page["digest-after"] and chain.get(position) == digest, f"is inconsistent with position {position}")
    position, digest = last, chain[last]
print(f"position {position} digest {digest.hex()}")
