"""The people of a server: who they are, what they may do, and where they were last.

person       a person: id, name, role
directory    the people of a studio home, stored: their names, the browsers of a class, the page that each opened last
classroom    a class without accounts: people enter with a nickname and the class code
return_code  the code with which a person comes back in another browser
tries        the limit on wrong codes
"""
