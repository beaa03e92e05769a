"""Writes crates/data/tests/data: small Parquet files in the hub's layouts, as pyarrow writes them.

    python scripts/make_data_samples.py crates/data/tests/data
"""

import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

out = Path(sys.argv[1])
out.mkdir(parents=True, exist_ok=True)

picture = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


def image(n):
    return {"bytes": b"\xff\xd8picture %d" % n, "path": f"{n}.jpg"}


# merve/vqav2-small's columns: seven rows in row groups of three, a page for each row or two, no page index.
annotators = pa.list_(pa.struct([("answer", pa.string()), ("answer_id", pa.int64())]))
rows = range(7)
table = pa.table(
    {
        "multiple_choice_answer": pa.array([f"answer {n}" if n != 5 else None for n in rows], pa.string()),
        "question": pa.array([f"question {n}?" for n in rows], pa.string()),
        "answers": pa.array(
            [[{"answer": w, "answer_id": i} for i, w in enumerate(["a", "b", "c", "b"])] for _ in rows], annotators
        ),
        "image": pa.array([image(n) for n in rows], picture),
        "question_id": pa.array(rows, pa.int64()),
    }
)
pq.write_table(
    table, out / "vqav2.parquet", row_group_size=3, data_page_size=1, write_batch_size=1, use_dictionary=False,
    write_statistics=False, store_schema=False,
)

# HuggingFaceH4/llava-instruct-mix-vsft's columns; lists that are null, empty and long, pages in which rows begin anywhere.
part = pa.struct([("index", pa.int64()), ("text", pa.string()), ("type", pa.string())])
message = pa.struct([("content", pa.list_(part)), ("role", pa.string())])


def said(text, *places):
    places = [{"index": i, "text": None, "type": "image"} for i in places]
    return places + [{"index": None, "text": text, "type": "text"}]


def chat(n):
    pictures = range(n % 3)
    turns = [{"role": "user", "content": said(f"question {n}", *pictures)}]
    return turns + [{"role": "assistant", "content": said(f"answer {n}")}]


table = pa.table(
    {
        "messages": pa.array([chat(n) for n in range(5)] + [None, []], pa.list_(message)),
        "images": pa.array(
            [[image(10 * n + i) for i in range(n % 3)] if n else None for n in range(7)], pa.list_(picture)
        ),
    }
)
pq.write_table(
    table, out / "messages.parquet", compression="zstd", data_page_size=1, write_batch_size=2, write_statistics=False,
    store_schema=False,
)

# The Cauldron's columns, with a page index.
turn = pa.struct([("user", pa.string()), ("assistant", pa.string()), ("source", pa.string())])
turns = [[{"user": f"q{n}.{i}", "assistant": f"a{n}.{i}", "source": "s"} for i in range(n + 1)] for n in range(3)]
table = pa.table(
    {
        "images": pa.array([[image(n)] for n in range(3)], pa.list_(picture)),
        "texts": pa.array(turns, pa.list_(turn)),
    }
)
pq.write_table(
    table, out / "cauldron.parquet", compression="gzip", write_page_index=True, data_page_size=1, write_batch_size=1,
    data_page_version="2.0", store_schema=False,
)

# OBELICS' columns, with pictures in the rows as the hub's `Image` feature keeps them: a page, one without pictures, one
# whose picture is an address, a page in a second row group. And with addresses alone, as OBELICS itself has them.
pages = [
    ([None, image(0), None], ["before 0", None, "behind 0"]),
    ([None], ["words alone"]),
    ([{"bytes": None, "path": "https://example.org/2.jpg"}, None], [None, "behind 2"]),
    ([None, image(3), None], ["before 3", None, "behind 3"]),
]
addresses = [(["https://example.org/0.jpg", None], [None, "behind 0"]), ([None], ["words alone"])]
for name, rows, kind in [("obelics", pages, picture), ("obelics-addresses", addresses, pa.string())]:
    table = pa.table(
        {
            "images": pa.array([shown for shown, _ in rows], pa.list_(kind)),
            "metadata": pa.array(["[]" for _ in rows]),
            "texts": pa.array([said for _, said in rows], pa.list_(pa.string())),
        }
    )
    pq.write_table(table, out / f"{name}.parquet", row_group_size=3, compression="snappy", store_schema=False)
