"""Why records are left out, in words."""

from __future__ import annotations

from brightrun_tui.datasets.reasons import Reason

LEFT_OUT: dict[str, Reason] = {
    "two_names": Reason(
        "with two fields that differ in capitals only (“{detail}”)",
        "keep the one that is meant, or give one of them another name",
    ),
    "no_answer": Reason("without an answer", "fill in the answers, or leave these records out"),
    "answer_elsewhere": Reason(
        "whose turns end without an answer, while “{detail}” seems to hold one",
        "where it does, map both (--column for each, in the app F4): messages=NAME, completion=NAME",
    ),
    "no_target": Reason(
        "without an answer",
        "usually nothing to do: such entries hold only the client's turn, which the next entry repeats; "
        "otherwise fill in target_response",
    ),
    "newest_first": Reason(
        "whose answer comes before its question, and their times or numbers say so, too",
        "sort the turns of each conversation by their time or number, the oldest first",
    ),
    "no_question": Reason("without a question", "every record needs something the user says before the answer"),
    "nothing_to_train": Reason(
        "whose every answer is marked as not to be trained on",
        "remove “weight”: 0, “train”: false or the like from the answers to learn",
    ),
    "unknown_role": Reason(
        "with an unknown speaker, such as “{detail}”", "name the speakers system, user, assistant or tool"
    ),
    "no_text": Reason(
        "whose turns hold their text in a field that is not known (“{detail}”)", "call the field of the text content"
    ),
    "not_text": Reason(
        "with images or other content that is not text ({detail})", "only text can be trained on; keep the text parts"
    ),
    "broken_call": Reason(
        "with a call of a tool that has no name, or whose arguments are not an object",
        'write it as {"name": …, "arguments": {…}}',
    ),
    "call_without_result": Reason(
        "with a call of a tool ({detail}) that is answered before its result",
        "put the result between the call and the answer, as a turn of the tool",
    ),
    "result_without_call": Reason(
        "with a result of a tool for a call that is not before it ({detail})",
        "give the result the id of its call (tool_call_id)",
    ),
    "broken_tools": Reason(
        "whose list of tools cannot be read",
        'write each as {"type": "function", "function": {"name": …, "parameters": …}}',
    ),
    "thumbs_down": Reason(
        "whose answer is marked as not wanted (thumbs down: “{detail}”)",
        "usually nothing to do: only wanted answers are learnt; where the field says something else, give it another name",
    ),
    "unclear_mark": Reason(
        "with a mark that does not say whether to learn ({detail})",
        "call it train, and write true or false; or remove the field",
    ),
    "kept_for_testing": Reason(
        "that [are for testing, as they say themselves|is for testing, as it says itself] ({detail})",
        "usually nothing to do: they are not learnt; to learn them, remove the field",
    ),
    "late_system": Reason("with a system message in the middle", "move it to the start, or make it a user message"),
    "header_again": Reason(
        "that [repeat|repeats] the names of the columns",
        "usually nothing to do: two tables were put together, and their heads are not learnt",
    ),
    "other_shape": Reason("of another shape than the rest", "bring all records into one format"),
    "broken_characters": Reason("with broken characters (half of a Unicode pair)", "export the text again as UTF-8"),
}
"""Why a record is not used."""
