"""A pool whose selector matches no node says so."""

from gharial_cluster.demo.site import Site, example


def test_the_selector_is_named_in_the_pools_condition(site: Site) -> None:
    [pool] = example("pool")
    pool["metadata"]["name"] = "lost"
    pool["spec"]["nodeSelector"] = {"asr.gharial.dev/cards": "on-the-moon"}
    site.apply(pool)
    try:
        condition = site.wait_condition("asrcardpool", "lost", "Ready", "False", timeout=60)
        assert condition["reason"] == "NoNodesMatch"
        assert "asr.gharial.dev/cards=on-the-moon" in condition["message"]
    finally:
        site.delete("asrcardpool", "lost")
