"""What may be wrong with records, in words."""

from __future__ import annotations

from brightrun_tui.datasets.left_out import LEFT_OUT
from brightrun_tui.datasets.reasons import NOTHING_TO_DO, Reason
from brightrun_tui.domain.settings import title_and_key

__all__ = ["LEFT_OUT", "NOTHING_TO_DO", "REMARKS"]

REMARKS: dict[str, Reason] = {
    "duplicate": Reason(
        "[copies|copy] of an earlier record (spaces and capitals aside)",
        "remove them, unless they are meant to weigh more; copies are never held out apart from one another",
    ),
    "near_copy": Reason(
        "[near-copies|near-copy] of an earlier record, a few words apart",
        "remove those that add nothing; copies are never held out apart from one another",
    ),
    "near_parted": Reason(
        "({detail}) nearly the same as others, so many that they could not be held out together",
        "the held-out loss will look better than it is: remove copies, or add records of other kinds",
    ),
    "one_form": Reason(
        "({detail}) of the same form as many others, too many to be held out together",
        "fine where only names or numbers are to differ; the held-out loss may look a little better than it is",
    ),
    "other_answer": Reason(
        "that [ask|asks] word for word what an earlier record asks, and [are|is] answered differently",
        "if the answers contradict one another, keep the right one; several good answers are fine",
    ),
    "weight": Reason(
        "with answers of another weight than 0 and 1; every answer that is learnt counts alike",
        "repeat records that are to weigh more, or write 0 where an answer is context only",
    ),
    "rated": Reason(
        "with a rating ({detail}), which is not looked at: answers that were rated badly are learnt like good ones",
        "leave out the records whose answers should not be learnt",
    ),
    "flags": Reason(
        "with marks that are not looked at ({detail})",
        "usually nothing to do; where one says that an answer should not be learnt, call it train, with true or false",
    ),
    "unread_marks": Reason(
        "with an unknown setting of what to learn ({detail}): it is ignored",
        "mark each answer that is context only with train: false",
    ),
    "markup": Reason(
        "with HTML in their texts, such as {detail}",
        "it would be learnt as text: export plain text, unless the answers should be HTML",
    ),
    "marks": Reason(
        "with marks of some model's chat format in their texts, such as {detail}",
        "they would be learnt as text: clean them with the setting data.marks=clean",
    ),
    "personal": Reason(
        "with personal data ({detail}); names and addresses are not looked for",
        "a model may repeat what it has learnt: take it out, or make sure that it may be used",
    ),
    "credentials": Reason(
        "with what looks like a password or a key ({detail})",
        "take it out, and have it replaced where it still works: a model tells what it has learnt to anybody who asks",
    ),
    "other_language": Reason(
        "in another language than the rest ({detail})",
        "look at them: learnt by mistake, they make the model answer in the wrong language now and then",
    ),
    "control_characters": Reason(
        "with control characters in their texts (NUL, terminal codes)",
        "they would be learnt as text: clean them with the setting data.marks=clean",
    ),
    "encoding": Reason(
        "[records|record] read from text in {detail}, which is a guess: look at the preview",
        "if letters look wrong, name the right one (--encoding, in the app F4), or save the file as UTF-8",
    ),
    "plain_dates": Reason(
        "[records|record] of a sheet with dates whose form is not followed ({detail})",
        "they are learnt as year, month and day; format the column as text where the answers should show them as the sheet does",
    ),
    "filled": Reason(
        "[rows|row] of a sheet with a cell that is merged over several rows, whose value counts for each of them",
        "usually nothing to do: that is how a person reads it; otherwise separate the cells",
    ),
    "hidden_rows": Reason(
        "[rows|row] of a sheet that [are|is] hidden there, by a filter or by hand, and [are|is] read anyway",
        "delete them, or copy the rows that you see into a sheet of their own, if they should not be learnt",
    ),
    "commented": Reason(
        "[rows|row] of a sheet with a comment that somebody left on a cell, which is not read",
        "read the comments in the sheet: leave out or correct the rows that they complain of",
    ),
    "hidden_columns": Reason(
        "[records|record] of a sheet where columns are hidden that are read anyway ({detail})",
        "show them in the sheet, and see that they are the ones that are meant; delete them if not",
    ),
    "calls": Reason("with calls of tools, which are learnt", ""),
    "thoughts": Reason(
        "with thoughts before the answer, which are learnt where the base model's template has room for them", ""
    ),
    "open_thoughts": Reason(
        "whose thoughts never end (there is no </think>)",
        "export them again without a limit of length; the model would learn to think and not to answer",
    ),
    "json_answer": Reason("with an answer that is an object; it is learnt as JSON", ""),
    "media": Reason(
        "with a picture or a sound beside the text, which is not learnt",
        "leave out those that cannot be answered from the text alone",
    ),
    "duplicate_id": Reason(
        "with the id of an earlier record", "they were given ids of their own; check that the export is right"
    ),
    "no_last_answer": Reason(
        "ending without an answer; the open end was cut off", "add the last answer if there is one"
    ),
    "answer_first": Reason("beginning with an answer; that answer was cut off", "begin with what the user says"),
    "joined_turns": Reason(
        "where one speaker has two turns in a row; they were joined", "check that no turn is missing"
    ),
    "unsorted": Reason(
        "whose turns are not in the order that their times or numbers say; they are learnt as they are",
        "sort the turns of each conversation by their time or number",
    ),
    "empty_turn": Reason("with an empty turn, which was left out", "check that no text was lost"),
    "short_answer": Reason("with an answer of one or two characters", "check that the answers are complete"),
    "cut_short": Reason(
        "with answers of exactly {detail}, and none is longer: they look cut off",
        "export them again without a limit of length; the model would learn to stop in the middle",
    ),
    "open_ended": Reason(
        "whose answer seems to end within a sentence, while most end with a full stop",
        "look at some: where they were cut off, export them again; the model would learn to stop in the middle",
    ),
    "cut_by_limit": Reason(
        "whose answer ended at a limit of length or at a filter, as the record says itself (finish_reason)",
        "leave them out, or export them again without a limit; the model would learn to stop in the middle",
    ),
    "struck_through": Reason(
        "[rows|row] of a sheet with text that is struck through there, and read like any other",
        "delete what should not be learnt",
    ),
    "spelling": Reason(
        "with a text as a program spells it, such as {detail}",
        "it would be learnt like that: export the texts themselves, without quotes, brackets and backslashes around them",
    ),
    "error_answer": Reason(
        "whose answer is an error of a program ({detail})",
        "leave these records out, or get their answers again, unless the model is to say so",
    ),
    "quoted": Reason(
        "whose whole answer is in quotation marks",
        "the model would learn to put its answers into quotation marks: take them off, unless that is meant",
    ),
    "counted_choice": Reason(
        "whose answer is the position of a choice, counted from 0; the choice is learnt",
        "look at one in the preview: if yours are counted from 1, write the text of the right choice as the answer",
    ),
    "placeholder_question": Reason(
        "with a placeholder such as null or N/A for a question", "fill in the questions, or leave these records out"
    ),
    "echo": Reason(
        "whose answer begins with its own question",
        "take the questions off the answers; the model would learn to repeat what it is asked",
    ),
    "placeholder": Reason(
        "with a placeholder such as TODO, N/A or null for an answer", "fill in the answers, or leave these records out"
    ),
    "unfilled": Reason(
        "whose answer only says that there is none yet, or none, such as “{detail}”",
        "fill in the answers, or leave these records out, unless the model is to say so",
    ),
    "rounded": Reason(
        "whose answer is a number that a spreadsheet has rounded, such as 1.23457E+11",
        "format the column as text, and export it again",
    ),
    "rounded_within": Reason(
        "whose answer holds a number that a spreadsheet has rounded, such as 4.71E+12",
        "format the column that the number comes from as text, and export it again",
    ),
    "gaps": Reason(
        "whose answer has a gap left to fill in, such as {detail}",
        "the model would say it as it stands: fill the gaps in, unless its answers should be templates",
    ),
    "gaps_asked": Reason(
        "whose question has a gap left to fill in, as {{{{name}}}}",
        "nobody asks like that: fill the gaps in, unless the model will be asked with such templates",
    ),
    "says_cut": Reason(
        "with a text that says itself that it was cut off ({detail})",
        "export them again without a limit of length; the model would learn to stop in the middle",
    ),
    "call_as_text": Reason(
        "whose answer is a call of a tool in words ({detail}), which is learnt as text",
        "write it as tool_calls, and name the tools in the field tools, so that programs can tell a call from an answer",
    ),
    "assistant_talk": Reason(
        "whose answer speaks or refuses as some other assistant ({detail})",
        "leave these records out, or answer them, unless the model is to talk like that",
    ),
    "chat_page": Reason(
        "whose answer holds what a chat program shows beside it, such as {detail}",
        "take it off: the model would learn to write it, marks of sources with nothing behind them, too",
    ),
    "letter_forms": Reason(
        "with letters that are stored as two characters, or two letters as one ({detail})",
        "they look the same and are other tokens than what people type: clean them with the setting data.marks=clean",
    ),
    "goes_on": Reason(
        "whose answer goes on with what the other says, and answers that, too (“{detail}”)",
        "make turns of it, or cut it there: the model would learn to speak for both",
    ),
    "numbered": Reason(
        "whose question and answer begin with the same number, such as {detail}",
        "take the numbers off: the model would learn to say one before its answers",
    ),
    "few_shot": Reason(
        "whose prompt shows examples with answers and ends in {detail}",
        "keep the last question alone: a trained model needs no examples, and none will be there when people ask it (they may be "
        "records of their own)",
    ),
    "prompt_ends": Reason(
        "whose prompt ends in a label for the answer, such as {detail}",
        "take the label off: the model would learn to answer where one stands, and nobody who asks it will write one",
    ),
    "labelled": Reason(
        "whose answer begins with a label, such as {detail}",
        "take the labels off: the model would learn to say them before its answers",
    ),
    "slipped": Reason(
        "whose question fits the answer of the record {detail} better than its own: the answers may have slipped by a row",
        "look at the first of them; if so, move one of the two columns, so that each answer stands beside its question",
    ),
    "turned_round": Reason(
        "whose answer asks while the question does not: they may be the wrong way round",
        "look at the first record below: where it is, map the columns (--column for each, in the app F4): prompt=…, completion=…",
    ),
    "very_long": Reason(
        "longer than 32,000 characters",
        f"shorten them, or see {title_and_key('data.max_length')} and {title_and_key('data.over_length')}",
    ),
    "garbled": Reason(
        "with garbled letters, such as {detail}", "the text was once read in the wrong encoding: export it as UTF-8"
    ),
    "few_records": Reason(
        "usable records are few", "50 to 100 good ones are a sensible start, several hundred are better"
    ),
    "same_answer": Reason("with one and the same answer", "the model will learn to say little else: add other answers"),
    "one_conversation": Reason(
        "that all belong to one conversation, so the held-out ones come from it too",
        "the held-out loss will look better than it is: add other conversations; if there are more, "
        "check the ids that name them",
    ),
    "shared_prompt": Reason(
        "({detail}) that ask word for word what others ask, too often to be held out together",
        "fine where one instruction has many good answers; the held-out loss may look a little better than it is",
    ),
    "two_answers": Reason(
        "with a second text that is called like an answer ({detail}), which is not learnt",
        "look at the preview: where it is the one that is meant, map the columns (--column for each, in the app F4): prompt=…, "
        "completion=NAME",
    ),
    "several_answers": Reason(
        "with several answers in a list; the first was taken",
        "where they are the parts of one answer, join them into one text; otherwise give each a record of its own, if all should "
        "be learnt",
    ),
    "joined_lines": Reason(
        "with an answer in a list of steps or lines, which were joined",
        "usually nothing to do: look at one in the preview; where they are several answers, give each a record of its own",
    ),
    "several_questions": Reason(
        "with a list of texts for a question, which were joined",
        "fine where they are parts of one; where each is another way to ask, give each a record of its own, with the answer",
    ),
    "branches": Reason(
        "whose turns go several ways (an answer that was asked for again, a question that was written anew); the way that was "
        "shown last is learnt",
        "usually nothing to do: to learn another way, too, make a record of it",
    ),
    "taken_back": Reason(
        "with turns that were deleted, as they say themselves, and were left out",
        "usually nothing to do: to learn them, remove what marks them as deleted",
    ),
    "only_begun": Reason(
        "whose last answer is only the beginning of one, as it says itself (prefix)",
        "write the whole answer, or the rest of it into the field completion; the model would learn to stop in the middle",
    ),
    "no_such_choice": Reason(
        "whose answer is a number, but not the position of one of the choices (counted from 0)",
        "write the text of the right choice as the answer, in all records: where positions are counted from 1, the others are "
        "learnt wrongly",
    ),
    "noted": Reason(
        "with remarks or ticks of people beside them ({detail}), which are not looked at",
        "read them: leave out or correct the records that they complain of; which records to learn belongs in a column "
        "“train”, with true or false in every row",
    ),
    "internal_notes": Reason(
        "with internal notes among their turns, which were left out",
        "usually nothing to do: the client never saw them; to learn them, remove what marks them as notes",
    ),
    "long_unused": Reason(
        "with texts in fields that are not used, though the answers may rest on them: {detail}",
        "where they do, the model cannot know the answers: map such a field, context=NAME (beside messages system=NAME)",
    ),
    "beside_list": Reason(
        "in a file that says something for all of them, beside their list ({detail}), which is not learnt",
        "write it into each record, as the field system or in front of the question, if the model will be told the same later",
    ),
    "quoted_mail": Reason(
        "whose answer holds the mail that it answers, or one that was sent on ({detail})",
        "take it off: the model would learn to write such mails itself",
    ),
    "stop_word": Reason(
        "whose answer ends with a word that tells a program to stop, such as {detail}",
        "take it off: the model would learn to say it, and here it learns by itself where an answer ends",
    ),
    "totals": Reason(
        "that [look|looks] like a sum at the end of a table ({detail})", "leave it out, unless it is meant"
    ),
    "invisible": Reason(
        "with characters in their texts that nobody sees (zero-width spaces, byte order marks, soft hyphens)",
        "they would be learnt as text: clean them with the setting data.marks=clean",
    ),
    "unused_fields": Reason(
        "with text in fields that are not used: {detail}",
        "usually nothing to do; what the model should see belongs in the prompt, or map it: context=NAME (beside messages "
        "system=NAME); a better answer, map it: completion=NAME",
    ),
    "announced": Reason(
        "[records|record] announced in the file's header, but {detail} found", "check that the export is complete"
    ),
    "for_testing": Reason(
        "[files that were not read, as their names say that they are|file that was not read, as its name says that it is] for "
        "testing ({detail})",
        "name such a file, to learn from it",
    ),
    "list_for_testing": Reason(
        "in lists for testing, as their names say ({detail}), which were not read",
        "usually nothing to do: to learn them, put them into the list with the others",
    ),
    "other_lists": Reason(
        "in the other lists of the file ({detail}), which were not read",
        "put all records into one list; of a workbook the sheet may be named (--sheet, in the app F4)",
    ),
}
"""What is worth knowing about records that are used all the same."""
