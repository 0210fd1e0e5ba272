"""Reads a feed as RFC 5005 describes it, and nothing else: from its URL by prev-archive to the oldest
archive. Prints the ids of the events, oldest first."""

import sys
import urllib.parse
import urllib.request
import xml.etree.ElementTree as xml

ATOM = "{http://www.w3.org/2005/Atom}"
EVENT = "{http://cloudevents.io/xmlformat/V1}"


def entries(document):
    all = [(e.find(ATOM + "id").text, e.find(f".//{EVENT}id")) for e in document.findall(ATOM + "entry")]
    return [(id, event.text if event is not None else id.removeprefix("urn:uuid:")) for id, event in all]


url, seen, pages = sys.argv[1], set(), []
while url:
    with urllib.request.urlopen(url) as answer:
        document = xml.parse(answer).getroot()
    page = entries(document)
    if not pages:
        page.reverse()  # the subscription document has the newest first
    pages.append([event for id, event in page if id not in seen])
    seen.update(id for id, _ in page)
    links = {link.get("rel"): link.get("href") for link in document.findall(ATOM + "link")}
    url = urllib.parse.urljoin(url, links["prev-archive"]) if "prev-archive" in links else None
for page in reversed(pages):
    for event in page:
        print(event)
