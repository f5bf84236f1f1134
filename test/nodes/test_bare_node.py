# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Names of message types come out of bags, and lead to messages alone."""

import pytest
import std_msgs.msg
from hypothesis import given
from hypothesis import strategies as st

from geloc3r_ros.nodes.bare_node import message_type

PARTS = st.one_of(
    st.sampled_from(["std_msgs", "msg", "String", "os", "path", "..", ""]), st.text()
)


def test_a_type_that_is_installed():
    assert message_type("std_msgs/msg/String") is std_msgs.msg.String


@pytest.mark.parametrize(
    "name",
    [
        *("std_msgs/String", "std_msgs/msg/Strin", "std_msgs/msg/__doc__", "no_msgs/msg/String"),
        *("../msg/String", "/msg/String", "os.path/msg/String", "std_msgs/msg/String\n", ""),
    ],
)
def test_other_names_lead_nowhere(name):
    assert message_type(name) is None


@given(st.lists(PARTS, max_size=4).map("/".join))
def test_any_text_leads_to_a_message_or_nowhere(name):
    kind = message_type(name)
    assert kind is None or hasattr(kind, "get_fields_and_field_types")
