"""The questions, one per file, in the order in which they are asked: those that add resources come last."""

from typing import Final

from bench.question import Question
from bench.questions import (
    award_bulk,
    bulk_create,
    bulk_groups,
    create,
    custom_create,
    custom_filter,
    custom_get,
    custom_patch,
    deep_page,
    get,
    get_jwt,
    get_member,
    group_without_members,
    list_100,
    many_schemas,
    member_add,
    member_remove,
    patch,
    unindexed,
    user_name_eq,
    user_name_eq_member,
)

QUESTIONS: Final[dict[str, Question]] = {
    module.QUESTION.name: module.QUESTION
    for module in (
        get,
        get_jwt,
        get_member,
        user_name_eq,
        user_name_eq_member,
        list_100,
        deep_page,
        unindexed,
        many_schemas,
        custom_get,
        custom_filter,
        custom_patch,
        group_without_members,
        patch,
        member_add,
        member_remove,
        create,
        bulk_create,
        bulk_groups,
        award_bulk,
        custom_create,
    )
}
