from cardiograph.inference import Query
from cardiograph.service.recent_queries import RecentQueries


def held(room=10_000):
    now = [0.0]
    return RecentQueries(seconds=600, room=room, clock=lambda: now[0]), now


def test_queries_are_held_for_their_time_and_no_longer():
    queries, now = held()
    queries.put("a", Query(b"page", {"ef": 0.4}))
    now[0] = 599
    assert queries.get("a").clinical == {"ef": 0.4}
    now[0] = 600
    assert queries.get("a") is None


def test_the_oldest_goes_where_room_is_short():
    queries, _ = held(room=10_000)
    for name in "abc":
        queries.put(name, Query(b"x" * 3500))
    assert [queries.get(name) is None for name in "abc"] == [True, False, False]
    queries.put("d", Query(b"x" * 10_000))
    assert all(queries.get(name) is None for name in "abcd")
